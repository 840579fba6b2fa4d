// Max-pooling of images [height, width, channels] over square windows, and its gradient.

#pragma once

#include <cstdint>
#include <cstring>
#include <memory>

namespace {

struct Pool {
  int64_t height, width, channels, kernel, stride, padding;

  int64_t rows() const { return (height + 2 * padding - kernel) / stride + 1; }
  int64_t columns() const { return (width + 2 * padding - kernel) / stride + 1; }
  int64_t image() const { return height * width * channels; }
  int64_t out_image() const { return rows() * columns() * channels; }
  double comparisons() const { return double(kernel) * out_image() * (1 + stride); }
};

// The part of a window that lies within a side.
struct Span {
  int64_t begin, end;
};

Span Window(int64_t index, int64_t kernel, int64_t stride, int64_t padding, int64_t side) {
  const int64_t begin = index * stride - padding, end = begin + kernel;
  return {begin > 0 ? begin : 0, end < side ? end : side};
}

// best and at become x and from where x is greater, or not a number.
void TakeGreater(int64_t count, const float* __restrict x, const int32_t* __restrict from,
                 float* __restrict best, int32_t* __restrict at) {
  for (int64_t i = 0; i < count; ++i) {
    const bool take = (x[i] > best[i]) | (x[i] != x[i]);
    best[i] = take ? x[i] : best[i];
    at[i] = take ? from[i] : at[i];
  }
}

// y [rows, columns, channels] of one image, and where in the image its values come from: chosen,
// of the same shape, an element's index. Of equal values the leftmost, and then the uppermost.
void MaxPool(const Pool& s, const float* x, float* y, int32_t* chosen) {
  const int64_t line = s.width * s.channels;
  std::unique_ptr<float[]> best(new float[line]);  // of every column of a window's rows
  std::unique_ptr<int32_t[]> at(new int32_t[line]), from(new int32_t[line]);
  for (int64_t r = 0; r < s.rows(); ++r) {
    const Span lines = Window(r, s.kernel, s.stride, s.padding, s.height);
    for (int64_t h = lines.begin; h < lines.end; ++h) {
      for (int64_t i = 0; i < line; ++i) from[i] = static_cast<int32_t>(h * line + i);
      if (h == lines.begin) {
        std::memcpy(best.get(), x + h * line, line * sizeof(float));
        std::memcpy(at.get(), from.get(), line * sizeof(int32_t));
      } else {
        TakeGreater(line, x + h * line, from.get(), best.get(), at.get());
      }
    }
    for (int64_t q = 0; q < s.columns(); ++q, y += s.channels, chosen += s.channels) {
      const Span columns = Window(q, s.kernel, s.stride, s.padding, s.width);
      const int64_t begin = columns.begin * s.channels;
      std::memcpy(y, best.get() + begin, s.channels * sizeof(float));
      std::memcpy(chosen, at.get() + begin, s.channels * sizeof(int32_t));
      for (int64_t w = columns.begin + 1; w < columns.end; ++w) {
        const int64_t first = w * s.channels;
        TakeGreater(s.channels, best.get() + first, at.get() + first, y, chosen);
      }
    }
  }
}

// dx [to] of one image, from dy and chosen [from].
void MaxPoolGradient(int64_t from, const float* dy, const int32_t* chosen, int64_t to, float* dx) {
  std::memset(dx, 0, to * sizeof(float));
  for (int64_t i = 0; i < from; ++i) dx[chosen[i]] += dy[i];
}

}  // namespace
