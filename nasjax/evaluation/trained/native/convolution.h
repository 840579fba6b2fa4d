// Valid convolutions of images [height, width, channels] with weights [kernel, kernel, channels,
// filters], and their gradients. Windows are read by the products themselves: a row of a window
// lies together in memory, and the next window's row begins `stride * channels` later.

#pragma once

#include <cstring>
#include <memory>

#include "parallel.h"
#include "product.h"

namespace {

struct Convolution {
  int64_t height, width, channels, filters, kernel, stride;

  int64_t rows() const { return (height - kernel) / stride + 1; }
  int64_t columns() const { return (width - kernel) / stride + 1; }
  int64_t window_row() const { return kernel * channels; }
  int64_t line() const { return width * channels; }
  int64_t image() const { return height * line(); }
  int64_t out_line() const { return columns() * filters; }
  int64_t out_image() const { return rows() * out_line(); }
  int64_t weights() const { return kernel * window_row() * filters; }
  double multiplications() const { return double(rows()) * columns() * weights(); }
};

// Values that stay in a core's second cache while others go by.
constexpr int64_t kCached = 1 << 17;

// y [images, rows, columns, filters] of images x.
void Forward(const Convolution& s, int64_t images, const float* x, const float* w,
             const float* bias, float* y) {
  Product p = {};
  p.rows = s.columns(), p.columns = s.filters, p.inner = s.window_row();
  p.a_row = s.stride * s.channels, p.a_outer = s.line(), p.a_inner = 1;
  p.b_outer = s.window_row() * s.filters, p.b_inner = s.filters, p.c_row = s.filters;
  const Tiling tiling = ChooseTiling(p.rows, p.columns);
  // All of the kernel's rows at once, or one after another over all images.
  const int64_t at_once = s.weights() > kCached ? 1 : s.kernel;
  for (int64_t i = 0; i < s.kernel; i += at_once) {
    p.outer = at_once, p.add = i > 0, p.bias = i > 0 ? nullptr : bias;
    for (int64_t n = 0; n < images; ++n) {
      for (int64_t r = 0; r < s.rows(); ++r) {
        const float* lines = x + n * s.image() + (r * s.stride + i) * s.line();
        float* to = y + n * s.out_image() + r * s.out_line();
        Multiply(p, tiling, lines, w + i * p.b_outer, to);
      }
    }
  }
}

// dx of images, from dy and the weights with the last two axes swapped: turned [kernel, filters,
// kernel * channels].
void InputGradient(const Convolution& s, int64_t images, const float* dy, const float* turned,
                   float* dx) {
  std::memset(dx, 0, images * s.image() * sizeof(float));
  const int64_t size = s.filters * s.window_row();
  Product p = {};
  p.rows = s.columns(), p.columns = s.window_row(), p.inner = s.filters;
  p.a_row = s.filters, p.a_outer = -s.out_line(), p.a_inner = 1;
  p.b_outer = s.stride * size, p.b_inner = s.window_row(), p.c_row = s.stride * s.channels;
  p.add = true;
  const Tiling tiling = ChooseTiling(p.rows, p.columns);
  // A line of dx takes what all rows of the kernel that reach it bring; or one row of the kernel
  // after another gives to all images.
  const bool at_once = s.weights() <= kCached;
  for (int64_t first = 0; first < (at_once ? 1 : s.kernel); ++first) {
    for (int64_t n = 0; n < images; ++n) {
      for (int64_t h = first; h < s.height; h += at_once ? 1 : s.stride) {
        // Kernel row i of output row r lies on line h = r * stride + i.
        const int64_t last = (s.rows() - 1) * s.stride;
        int64_t i = at_once ? h % s.stride : first;
        if (at_once && h - i > last) i = h - last;
        if (i >= s.kernel || h - i > last) continue;
        p.outer = at_once ? ((h < s.kernel ? h : s.kernel - 1) - i) / s.stride + 1 : 1;
        const float* gradient = dy + n * s.out_image() + (h - i) / s.stride * s.out_line();
        Multiply(p, tiling, gradient, turned + i * size, dx + n * s.image() + h * s.line());
      }
    }
  }
}

void TurnWeights(const Convolution& s, const float* w, float* turned) {
  const int64_t rows = s.window_row();
  for (int64_t i = 0; i < s.kernel; ++i, w += rows * s.filters, turned += rows * s.filters) {
    for (int64_t f = 0; f < s.filters; ++f) {
      for (int64_t m = 0; m < rows; ++m) turned[f * rows + m] = w[m * s.filters + f];
    }
  }
}

// The weights' gradient is computed in pieces: rows [first, end) of a row of the kernel.
struct Piece {
  int64_t kernel_row, first, end;
};

constexpr int64_t kPieceRows = 48;

int64_t Pieces(const Convolution& s) { return s.kernel * CeilDiv(s.window_row(), kPieceRows); }

Piece PieceAt(const Convolution& s, int64_t index) {
  const int64_t rows = s.window_row(), each = CeilDiv(rows, kPieceRows), j = index % each;
  return {index / each, j * rows / each, (j + 1) * rows / each};
}

// Adds to a piece of dw what images bring.
void WeightGradient(const Convolution& s, int64_t images, const float* x, const float* dy,
                    const Piece& piece, float* dw) {
  Product p = {};
  p.rows = piece.end - piece.first, p.columns = s.filters;
  p.groups = images, p.outer = s.rows(), p.inner = s.columns();
  p.a_row = 1, p.a_group = s.image(), p.a_outer = s.stride * s.line();
  p.a_inner = s.stride * s.channels;
  p.b_group = s.out_image(), p.b_outer = s.out_line(), p.b_inner = s.filters;
  p.c_row = s.filters, p.add = true;
  const float* from = x + piece.kernel_row * s.line() + piece.first;
  float* to = dw + (piece.kernel_row * s.window_row() + piece.first) * s.filters;
  Multiply(p, ChooseTiling(p.rows, p.columns), from, dy, to);
}

// Adds to db what images bring, line by line: one long sum would lose digits.
void BiasGradient(const Convolution& s, int64_t images, const float* dy, float* db) {
  for (int64_t line = 0; line < images * s.rows(); ++line, dy += s.out_line()) {
    for (int64_t f = 0; f < s.filters; f += kHalf) {
      HalfVector sum = {};
      for (int64_t q = 0; q < s.columns(); ++q) sum += *(const HalfVector*)(dy + q * s.filters + f);
      *(HalfVector*)(db + f) += sum;
    }
  }
}

}  // namespace
