#include "passes/tuning.h"

#include "passes/plan.h"
#include "passes/stats.h"

bool is_to_be_tuned(const PassCtx *ctx, const Graph *g) {
  if (!ctx->qconfig || !ctx->qconfig->tune || ctx->stats || ctx->record || !ctx->n_calib) return false;
  for (int i = 0; i < ctx->n_calib; i++)
    if (stats_is_file(ctx->calib[i])) return false;
  return is_to_be_quantized(ctx, g);
}

bool sample_set_open(PassCtx *ctx, Arena *a, const Graph *g, SampleSet *set) {
  *set = (SampleSet){.files = ARENA_NEW_ARRAY(a, Samples *, (size_t)ctx->n_calib)};
  for (; set->n_files < ctx->n_calib; set->n_files++) {
    Samples *s = set->files[set->n_files] = samples_open(ctx->diag, a, ctx->calib[set->n_files], g);
    if (!s) {
      sample_set_close(set);
      return false;
    }
    set->count += samples_count(s);
  }
  return true;
}

void sample_set_close(SampleSet *set) {
  for (int i = 0; i < set->n_files; i++) samples_close(set->files[i]);
}

bool sample_set_load(const SampleSet *set, int64_t i, int64_t n, Arena *a, const void **in) {
  i = i * set->count / n;
  for (int k = 0; k < set->n_files; k++) {
    if (i < samples_count(set->files[k])) return samples_load(set->files[k], i, a, in);
    i -= samples_count(set->files[k]);
  }
  return false;
}
