// The kernels as custom calls of XLA. Any operand may have axes of lanes in front, all of size 1
// where all lanes share it.

#include <type_traits>

#include "convolution.h"
#include "pooling.h"

namespace ffi = xla::ffi;

namespace {

using Array = ffi::Buffer<ffi::F32>;
using Indices = ffi::Buffer<ffi::S32>;
using Result = ffi::ResultBuffer<ffi::F32>;

// A buffer whose last `rank` axes are a lane's.
template <typename T>
struct Lanes {
  T* data;
  int64_t count, size;
  ffi::Span<const int64_t> sizes;  // of a lane's axes

  T* operator[](int64_t lane) const { return data + (count > 1 ? lane * size : 0); }
};

template <typename Buffer>
auto LanesOf(Buffer& buffer, size_t rank) {
  const auto all = buffer.dimensions();
  const ffi::Span<const int64_t> sizes(all.begin() + (all.size() - rank), rank);
  int64_t count = 1, size = 1;
  for (size_t i = 0; i < all.size() - rank; ++i) count *= all[i];
  for (size_t i = 0; i < rank; ++i) size *= sizes[i];
  using T = std::remove_pointer_t<decltype(buffer.typed_data())>;
  return Lanes<T>{buffer.typed_data(), count, size, sizes};
}

// x [N, height, width, channels]; w [kernel * kernel * channels, filters].
Convolution Sizes(const ffi::Span<const int64_t>& x, const ffi::Span<const int64_t>& w,
                  int64_t kernel, int64_t stride) {
  return {x[1], x[2], x[3], w[1], kernel, stride};
}

// So many images at a time that every thread finds work a few times.
int64_t ImagesOfTask(const ffi::ThreadPool& pool, int64_t images) {
  const int64_t tasks = 3 * (pool.num_threads() > 0 ? pool.num_threads() : 1);
  return images > 0 ? CeilDiv(images, tasks) : 1;
}

// Whether operands have the lanes of the results, or share one.
template <typename... Operands>
ffi::Error CheckLanes(int64_t lanes, const Operands&... operands) {
  const bool fit = ((operands.count == lanes || operands.count == 1) && ...);
  if (fit) return ffi::Error::Success();
  return ffi::Error::InvalidArgument("operands share lanes of one of several axes of vmap");
}

ffi::Error ConvolutionForward(ffi::ThreadPool pool, int64_t kernel, int64_t stride, Array x,
                              Array w, Array bias, Result y) {
  const auto xs = LanesOf(x, 4), ws = LanesOf(w, 2), biases = LanesOf(bias, 1);
  const auto ys = LanesOf(*y, 4);
  const Convolution s = Sizes(xs.sizes, ws.sizes, kernel, stride);
  const int64_t lanes = ys.count, images = ys.sizes[0];
  if (ffi::Error error = CheckLanes(lanes, xs, ws, biases); error.failure()) return error;
  const int64_t each = ImagesOfTask(pool, images), tasks = CeilDiv(images, each);
  const double cost = s.multiplications() * images * lanes;
  ParallelFor(pool, lanes * tasks, cost, [&](int64_t task) {
    const int64_t lane = task / tasks, first = task % tasks * each;
    const int64_t count = first + each < images ? each : images - first;
    Forward(s, count, xs[lane] + first * s.image(), ws[lane], biases[lane],
            ys[lane] + first * s.out_image());
  });
  return ffi::Error::Success();
}

ffi::Error ConvolutionInputGradient(ffi::ThreadPool pool, int64_t kernel, int64_t stride, Array w,
                                    Array dy, Result dx) {
  const auto ws = LanesOf(w, 2), dys = LanesOf(dy, 4), dxs = LanesOf(*dx, 4);
  const Convolution s = Sizes(dxs.sizes, ws.sizes, kernel, stride);
  const int64_t lanes = dxs.count, images = dxs.sizes[0];
  if (ffi::Error error = CheckLanes(lanes, ws, dys); error.failure()) return error;
  const int64_t each = ImagesOfTask(pool, images), tasks = CeilDiv(images, each);
  const double cost = s.multiplications() * images;
  std::unique_ptr<float[]> turned(new float[s.weights()]);
  for (int64_t lane = 0; lane < lanes; ++lane) {
    TurnWeights(s, ws[lane], turned.get());
    ParallelFor(pool, tasks, cost, [&](int64_t task) {
      const int64_t first = task * each;
      const int64_t count = first + each < images ? each : images - first;
      InputGradient(s, count, dys[lane] + first * s.out_image(), turned.get(),
                    dxs[lane] + first * s.image());
    });
  }
  return ffi::Error::Success();
}

ffi::Error ConvolutionWeightGradient(ffi::ThreadPool pool, int64_t kernel, int64_t stride, Array x,
                                     Array dy, Result dw, Result db) {
  const auto xs = LanesOf(x, 4), dys = LanesOf(dy, 4);
  const auto dws = LanesOf(*dw, 2), dbs = LanesOf(*db, 1);
  const Convolution s = Sizes(xs.sizes, dws.sizes, kernel, stride);
  const int64_t lanes = dws.count, images = dys.sizes[0];
  if (ffi::Error error = CheckLanes(lanes, xs, dys); error.failure()) return error;
  // A thread has some pieces of the weights and goes over all images, a block that its cache holds
  // at a time. Neither the threads nor the pieces change a bit.
  const int64_t of_image = s.image() + s.out_image();
  const int64_t block = of_image < kCached ? kCached / of_image : 1;
  const int64_t pieces = Pieces(s);
  const int64_t threads = pool.num_threads() > 0 ? pool.num_threads() : 1;
  const int64_t tasks = pieces < threads ? pieces : threads;
  const double cost = s.multiplications() * images * lanes;
  ParallelFor(pool, lanes * tasks, cost, [&](int64_t index) {
    const int64_t lane = index / tasks, task = index % tasks;
    float *to = dws[lane], *bias = dbs[lane];
    const Piece begin = PieceAt(s, task * pieces / tasks);
    const Piece last = PieceAt(s, (task + 1) * pieces / tasks - 1);
    const int64_t from_row = begin.kernel_row * s.window_row() + begin.first;
    const int64_t end_row = last.kernel_row * s.window_row() + last.end;
    std::memset(to + from_row * s.filters, 0, (end_row - from_row) * s.filters * sizeof(float));
    if (task == 0) std::memset(bias, 0, s.filters * sizeof(float));
    for (int64_t first = 0; first < images; first += block) {
      const int64_t count = first + block < images ? block : images - first;
      const float* image = xs[lane] + first * s.image();
      const float* gradient = dys[lane] + first * s.out_image();
      for (int64_t i = task * pieces / tasks; i < (task + 1) * pieces / tasks; ++i) {
        WeightGradient(s, count, image, gradient, PieceAt(s, i), to);
      }
      if (task == 0) BiasGradient(s, count, gradient, bias);
    }
  });
  return ffi::Error::Success();
}

ffi::Error MaxPoolForward(ffi::ThreadPool pool, int64_t kernel, int64_t stride, int64_t padding,
                          Array x, Result y, ffi::Result<Indices> chosen) {
  const auto xs = LanesOf(x, 3), ys = LanesOf(*y, 3);  // every image is a lane
  const auto from = LanesOf(*chosen, 3);
  const Pool s = {xs.sizes[0], xs.sizes[1], xs.sizes[2], kernel, stride, padding};
  ParallelFor(pool, xs.count, s.comparisons() * xs.count,
              [&](int64_t i) { MaxPool(s, xs[i], ys[i], from[i]); });
  return ffi::Error::Success();
}

ffi::Error MaxPoolBackward(ffi::ThreadPool pool, Indices chosen, Array dy, Result dx) {
  const auto from = LanesOf(chosen, 3);
  const auto dys = LanesOf(dy, 3), dxs = LanesOf(*dx, 3);
  const double cost = double(dys.size + dxs.size) * dxs.count;
  if (ffi::Error error = CheckLanes(dxs.count, from, dys); error.failure()) return error;
  ParallelFor(pool, dxs.count, cost, [&](int64_t i) {
    MaxPoolGradient(dys.size, dys[i], from[i], dxs.size, dxs[i]);
  });
  return ffi::Error::Success();
}

}  // namespace

#define ATTRIBUTES Attr<int64_t>("kernel").Attr<int64_t>("stride")

XLA_FFI_DEFINE_HANDLER_SYMBOL(convolution_forward, ConvolutionForward,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .ATTRIBUTES.Arg<Array>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Ret<Array>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(convolution_input_gradient, ConvolutionInputGradient,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .ATTRIBUTES.Arg<Array>()
                                  .Arg<Array>()
                                  .Ret<Array>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(convolution_weight_gradient, ConvolutionWeightGradient,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .ATTRIBUTES.Arg<Array>()
                                  .Arg<Array>()
                                  .Ret<Array>()
                                  .Ret<Array>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(max_pool_forward, MaxPoolForward,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .ATTRIBUTES.Attr<int64_t>("padding")
                                  .Arg<Array>()
                                  .Ret<Array>()
                                  .Ret<Indices>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(max_pool_gradient, MaxPoolBackward,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Indices>()
                                  .Arg<Array>()
                                  .Ret<Array>());
