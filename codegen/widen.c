#include "codegen/widen.h"

#include <string.h>

DType widen_elem(const Tensor *w) { return w->type.dtype == DT_U8 ? DT_S8 : w->type.dtype; }

void widen_pack(const Tensor *w, int64_t from, void *packed, int64_t to) {
  int64_t size = dtype_info[w->type.dtype].bytes;
  char *out = (char *)packed + to * size;
  memcpy(out, (const char *)w->data + from * size, (size_t)size);
  if (w->type.dtype == DT_U8) *out = (char)(*out ^ 0x80);
}

static int64_t at_channel(const Quant *q, int64_t c) { return q->count > 1 ? c : 0; }

float widen_scale(const Tensor *w, int64_t c) { return w->type.quant->scale[at_channel(w->type.quant, c)]; }

float widen_zero(const Tensor *w, int64_t c) {
  return (float)(w->type.quant->zero[at_channel(w->type.quant, c)] - (w->type.dtype == DT_U8 ? 128 : 0));
}

bool widen_has_zeros(const Tensor *w) {
  for (int64_t c = 0; c < w->type.quant->count; c++)
    if (widen_zero(w, c) != 0) return true;
  return false;
}

const VirVar *widen_load(VirBuilder *b, const char *name, DType elem, VirAddr at, const VirVar *scale,
                         const VirVar *zero) {
  if (elem == DT_F32) return VIR_LET(b, name, load_f32, vir_at(at));
  if (elem == DT_F16) return VIR_LET(b, name, load_f16, vir_at(at));
  const VirVar *q = VIR_LET(b, "q", load_s8, vir_at(at)), *v = VIR_LET(b, name, s32_to_f32, vir_v(q));
  if (zero) VIR_SET(b, v, sub_f32, vir_v(v), vir_v(zero));
  VIR_SET(b, v, mul_f32, vir_v(v), vir_v(scale));
  return v;
}
