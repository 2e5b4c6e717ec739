#include "codegen/tile_row.h"

static void call_tile(VirBuilder *b, VirFunc *tile, TilePlace p) {
  const VirAddr optional[] = {p.m, p.extra, p.places};
  VirAddr args[3 + sizeof optional / sizeof *optional + 3] = {p.x, p.w, p.bias};
  int n = 3;
  for (size_t i = 0; i < sizeof optional / sizeof *optional; i++)
    if (optional[i].base) args[n++] = optional[i];
  n += residual_args(&p.residual, p.y, args + n);
  args[n++] = p.y;
  vir_call(b, tile, n, args);
}

void tile_row(VirBuilder *b, TilePlace p, const TileRow *row) {
  int64_t whole = row->count / row->mr, x_tile = row->mr * row->x_step, y_tile = row->mr * row->y_step;
  if (whole > 1) {
    const VirVar *v = vir_loop(b, "ox", 0, whole, 1);
    TilePlace q = p;
    q.x = vir_plus(p.x, v, x_tile);
    q.y = vir_plus(p.y, v, y_tile);
    call_tile(b, row->tile, q);
    vir_end(b);
  } else if (whole) {
    call_tile(b, row->tile, p);
  }
  if (!row->rest) return;
  p.x = vir_offset(p.x, whole * x_tile);
  p.y = vir_offset(p.y, whole * y_tile);
  call_tile(b, row->rest, p);
}

int tile_pixels(int64_t count, int most) {
  int64_t tiles = (count + most - 1) / most;
  return (int)((count + tiles - 1) / tiles);
}
