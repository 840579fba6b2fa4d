// A matrix product whose factors are read where they lie, windows of an image included.

#pragma once

#include <cstdint>

namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16, kRegisters = 32;
#elif defined(__AVX__)
constexpr int kLanes = 8, kRegisters = 16;
#else
constexpr int kLanes = 4, kRegisters = 32;
#endif
constexpr int kHalf = kLanes / 2;
constexpr int kMaxRows = 14, kMaxVectors = 6;
constexpr int kMultiple = 8;  // that `columns` must be of

typedef float Vector __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));
typedef float HalfVector __attribute__((vector_size(4 * kHalf), aligned(4), may_alias));

// c[row, column] = bias[column] + sum over group, outer, inner of a[row, group, outer, inner] *
// b[group, outer, inner, column], or (`add`) that sum added to c, row after row: the rows of c may
// overlap.
//
// The steps a_*, b_*, c_row say how much further the next element along that axis lies; columns lie
// together. Every element of c is summed up in that order, whatever the vectors and tiles.
struct Product {
  int64_t rows, columns, groups = 1, outer, inner;
  int64_t a_row, a_group, a_outer, a_inner;
  int64_t b_group, b_outer, b_inner;
  int64_t c_row;
  const float* bias;  // may be null
  bool add;
};

// One tile of c: kRows x (kVectors vectors, and half a vector). Its sums stay in registers.
template <int kRows, int kVectors, bool kWithHalf>
void ComputeTile(const Product& p, const float* a, const float* b, const float* bias, float* c) {
  constexpr int kSums = kVectors > 0 ? kVectors : 1;
  Vector sums[kRows][kSums];
  HalfVector halves[kRows];
  for (int v = 0; v < kVectors; ++v) {
    const Vector first = bias ? *(const Vector*)(bias + v * kLanes) : Vector{};
    for (int m = 0; m < kRows; ++m) sums[m][v] = first;
  }
  if (kWithHalf) {
    const HalfVector first = bias ? *(const HalfVector*)(bias + kVectors * kLanes) : HalfVector{};
    for (int m = 0; m < kRows; ++m) halves[m] = first;
  }
  const int64_t a_row = p.a_row, a_inner = p.a_inner, b_inner = p.b_inner, inner = p.inner;
  for (int64_t step = 0; step < p.groups * p.outer; ++step) {
    const int64_t group = step / p.outer, o = step % p.outer;
    const float* x = a + group * p.a_group + o * p.a_outer;
    const float* y = b + group * p.b_group + o * p.b_outer;
    for (int64_t i = 0; i < inner; ++i, x += a_inner, y += b_inner) {
      Vector factors[kSums];
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) factors[v] = *(const Vector*)(y + v * kLanes);
      HalfVector half = {};
      if (kWithHalf) half = *(const HalfVector*)(y + kVectors * kLanes);
#pragma GCC unroll 16
      for (int m = 0; m < kRows; ++m) {
        const float value = x[m * a_row];
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) sums[m][v] += value * factors[v];
        if (kWithHalf) halves[m] += value * half;
      }
    }
  }
  for (int m = 0; m < kRows; ++m) {
    float* out = c + m * p.c_row;
    for (int v = 0; v < kVectors; ++v) {
      Vector* to = (Vector*)(out + v * kLanes);
      *to = p.add ? *to + sums[m][v] : sums[m][v];
    }
    if (kWithHalf) {
      HalfVector* to = (HalfVector*)(out + kVectors * kLanes);
      *to = p.add ? *to + halves[m] : halves[m];
    }
  }
}

typedef void (*Tile)(const Product&, const float*, const float*, const float*, float*);

constexpr bool Fits(int rows, int vectors) {
  return rows * vectors + vectors + 1 <= kRegisters;
}

template <int kRows, int kVectors, bool kWithHalf>
constexpr Tile TileOf() {
  if constexpr (Fits(kRows, kVectors + kWithHalf) && kVectors + kWithHalf > 0) {
    return ComputeTile<kRows, kVectors, kWithHalf>;
  } else {
    return nullptr;
  }
}

template <int kRows>
struct TilesOf {
  static constexpr Tile kTiles[kMaxVectors + 1][2] = {
      {TileOf<kRows, 0, false>(), TileOf<kRows, 0, true>()},
      {TileOf<kRows, 1, false>(), TileOf<kRows, 1, true>()},
      {TileOf<kRows, 2, false>(), TileOf<kRows, 2, true>()},
      {TileOf<kRows, 3, false>(), TileOf<kRows, 3, true>()},
      {TileOf<kRows, 4, false>(), TileOf<kRows, 4, true>()},
      {TileOf<kRows, 5, false>(), TileOf<kRows, 5, true>()},
      {TileOf<kRows, 6, false>(), TileOf<kRows, 6, true>()},
  };
};

Tile FindTile(int64_t rows, int64_t vectors, bool half) {
  constexpr const Tile(*kAll[])[2] = {
      TilesOf<1>::kTiles,  TilesOf<2>::kTiles,  TilesOf<3>::kTiles,  TilesOf<4>::kTiles,
      TilesOf<5>::kTiles,  TilesOf<6>::kTiles,  TilesOf<7>::kTiles,  TilesOf<8>::kTiles,
      TilesOf<9>::kTiles,  TilesOf<10>::kTiles, TilesOf<11>::kTiles, TilesOf<12>::kTiles,
      TilesOf<13>::kTiles, TilesOf<14>::kTiles,
  };
  return kAll[rows - 1][vectors][half];
}

// How c is cut into tiles: so many along each side, of nearly equal sizes.
struct Tiling {
  int64_t row_tiles, column_tiles;
};

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The least arithmetic and loading for the whole of c, counted for one step of the sum.
Tiling ChooseTiling(int64_t rows, int64_t columns) {
  const int64_t vectors = CeilDiv(columns, kLanes);
  Tiling best = {rows, vectors};
  int64_t least = INT64_MAX;
  for (int64_t v = 1; v <= kMaxVectors && v <= vectors; ++v) {
    const int64_t column_tiles = CeilDiv(vectors, v);
    const int64_t widest = CeilDiv(vectors, column_tiles);
    for (int64_t m = 1; m <= kMaxRows && m <= rows; ++m) {
      if (!Fits(m, widest)) break;
      const int64_t row_tiles = CeilDiv(rows, m), tallest = CeilDiv(rows, row_tiles);
      // Eight sums hide an addition's latency.
      const int64_t sums = tallest * widest > 8 ? tallest * widest : 8;
      const int64_t cost = row_tiles * column_tiles * (2 * sums + tallest + widest);
      if (cost < least) least = cost, best = {row_tiles, column_tiles};
    }
  }
  return best;
}

// The whole of c. Wants `columns` a multiple of kMultiple.
void Multiply(const Product& p, const Tiling& tiling, const float* a, const float* b, float* c) {
  const int64_t vectors = CeilDiv(p.columns, kLanes);
  for (int64_t j = 0; j < tiling.column_tiles; ++j) {
    const int64_t first = j * vectors / tiling.column_tiles;
    const int64_t end = (j + 1) * vectors / tiling.column_tiles;
    const bool half = end * kLanes > p.columns;
    const int64_t full = end - first - half, column = first * kLanes;
    for (int64_t i = 0; i < tiling.row_tiles; ++i) {
      const int64_t row = i * p.rows / tiling.row_tiles;
      const int64_t next = (i + 1) * p.rows / tiling.row_tiles;
      FindTile(next - row, full, half)(p, a + row * p.a_row, b + column,
                                       p.bias ? p.bias + column : nullptr,
                                       c + row * p.c_row + column);
    }
  }
}

}  // namespace
