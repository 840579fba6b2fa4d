// Loops over independent pieces of work on XLA's own threads.

#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>

#include "xla/ffi/api/ffi.h"

namespace {

constexpr double kWorthAThread = 2e5;  // multiplications that take longer than waking a thread

// Calls work(i) for all i < count, whichever thread takes it; returns when all are done.
//
// The calling thread takes pieces too and waits only for those that others have begun. So it never
// waits for a thread that waits itself, though several programs share the pool.
template <typename Work>
void ParallelFor(xla::ffi::ThreadPool& pool, int64_t count, double cost, const Work& work) {
  struct Shared {
    std::atomic<int64_t> next{0};
    std::atomic<int64_t> done{0};
    std::mutex mutex;
    std::condition_variable finished;
  };
  int64_t helpers = pool.num_threads() - 1;
  helpers = helpers < count - 1 ? helpers : count - 1;
  const double most = cost / kWorthAThread;
  helpers = helpers < most ? helpers : static_cast<int64_t>(most);
  if (helpers <= 0) {
    for (int64_t i = 0; i < count; ++i) work(i);
    return;
  }
  auto shared = std::make_shared<Shared>();  // a helper may come after all is done
  const auto* borrowed = &work;              // that one never touches it
  auto take = [shared, borrowed, count] {
    int64_t taken = 0;
    for (int64_t i; (i = shared->next.fetch_add(1)) < count; ++taken) (*borrowed)(i);
    if (taken && shared->done.fetch_add(taken) + taken == count) {
      std::lock_guard<std::mutex> lock(shared->mutex);
      shared->finished.notify_all();
    }
  };
  for (int64_t i = 0; i < helpers; ++i) pool.Schedule(decltype(take)(take));
  take();
  for (int i = 0; i < 2000 && shared->done.load() < count; ++i) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  std::unique_lock<std::mutex> lock(shared->mutex);
  shared->finished.wait(lock, [&] { return shared->done.load() == count; });
}

}  // namespace
