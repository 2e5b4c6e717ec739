#include "compiler/report.h"

#include <inttypes.h>

#include "codegen/names.h"
#include "passes/ranges/facts.h"
#include "passes/rewrite.h"
#include "ir/ops/custom.h"

typedef struct {
  StrBuf *out;
  const ReportInput *in;
  const Ranges *ranges;
  int64_t macs;
} Report;

static double percent(int64_t part, int64_t whole) {
  return whole ? 100.0 * (double)part / (double)whole : 0;
}

static int64_t macs_of(const Node *n) { return op_info[n->op]->macs ? op_info[n->op]->macs(n) : 0; }

static int64_t constant_bytes(const Node *n) {
  int64_t bytes = 0;
  for (int i = 0; i < n->n_operands; i++)
    if (n->operands[i] && tensor_is_const(n->operands[i])) bytes += type_bytes(&n->operands[i]->type);
  return bytes;
}

/* ---- the parts of a layer's entry, one line each; code generation's may follow ---- */

static void put_title(const char *title, StrBuf *out) { strbuf_printf(out, "      %-10s", title); }

static void put_interval(StrBuf *out, Interval v) {
  strbuf_printf(out, "%" PRId64 " to %" PRId64, v.lo, v.hi);
}

static void put_type(StrBuf *out, const Type *t) {
  strbuf_printf(out, "%s %s", dtype_info[t->dtype].name, shape_text(out->arena, &t->shape));
}

static void put_types(const Report *r, const Node *n) {
  put_title("types", r->out);
  const char *between = "";
  for (int i = 0; i < n->n_operands; i++) {
    const Tensor *t = n->operands[i];
    if (!t) continue;
    strbuf_printf(r->out, "%s%s", between, tensor_is_const(t) ? "constant " : "");
    put_type(r->out, &t->type);
    between = ", ";
  }
  strbuf_puts(r->out, " -> ");
  put_type(r->out, &n->results[0]->type);
  strbuf_puts(r->out, "\n");
}

static void put_work(const Report *r, const Node *n) {
  int64_t macs = macs_of(n), bytes = constant_bytes(n);
  if (!macs && !bytes) return;
  put_title("work", r->out);
  if (macs)
    strbuf_printf(r->out, "%" PRId64 " MACs (%.1f %%)%s", macs, percent(macs, r->macs), bytes ? ", " : "");
  if (bytes) strbuf_printf(r->out, "%" PRId64 " bytes of constants", bytes);
  strbuf_puts(r->out, "\n");
}

/* The proved values of the result beside those that its type has. */
static void put_values(const Report *r, const Node *n) {
  const ChannelRanges *known = ranges_tensor(r->ranges, n->results[0]);
  if (!known || !tensor_is_quantized(n->results[0])) return;
  Interval all = range_of_all(known);
  int64_t narrower = 0;
  const DTypeInfo *type = &dtype_info[n->results[0]->type.dtype];
  for (int64_t c = 0; c < known->count; c++)
    narrower += known->channel[c].lo > type->min || known->channel[c].hi < type->max;
  put_title("values", r->out);
  put_interval(r->out, all);
  strbuf_printf(r->out, " of %" PRId64 " to %" PRId64, type->min, type->max);
  if (known->axis >= 0)
    strbuf_printf(r->out, "; narrower than the type in %" PRId64 " of %" PRId64 " channels", narrower,
                  known->count);
  strbuf_puts(r->out, "\n");
}

static void put_sums(const Report *r, const Node *n) {
  SumFacts f;
  if (!sum_facts(r->ranges, n, &f)) return;
  put_title("sums", r->out);
  put_interval(r->out, f.sums);
  strbuf_printf(r->out, ": %d bits, %s\n", f.bits,
                f.exact_f32 ? "exact in float32" : "may be rounded by the conversion to float32");
}

static const char *clamp_text(const ClampFacts *f) {
  if (f->idle_min && f->idle_max) return "idle";
  return f->idle_min ? "idle below" : f->idle_max ? "idle above" : "needed on both sides";
}

static void put_clamp(const Report *r, const Node *n) {
  ClampFacts f;
  if (!ranges_clamp(r->ranges, n, &f)) return;
  put_title("clamp", r->out);
  put_interval(r->out, f.bounds);
  strbuf_puts(r->out, ", values without it ");
  put_interval(r->out, f.unclamped);
  strbuf_printf(r->out, ": %s\n", clamp_text(&f));
}

static void put_products(const Report *r, const Node *n) {
  ProductFacts f;
  if (!product_facts(r->ranges, n, &f)) return;
  put_title("16 bits", r->out);
  strbuf_printf(r->out, "hold %.2f %% of the pairs of products, %.2f %% of the quads\n",
                percent(f.safe_pairs, f.pairs), percent(f.safe_quads, f.quads));
}

static const RemovedChannels *removed_from(const Report *r, const Node *n) {
  return strmap_get(r->in->removals->by_tensor, n->results[0]->name);
}

static void put_removed(const Report *r, const Node *n) {
  const RemovedChannels *gone = removed_from(r, n);
  if (!gone) return;
  put_title("removed", r->out);
  strbuf_printf(r->out,
                "%" PRId64 " of %" PRId64 " channels: %" PRId64 " constant, %" PRId64 " that nothing reads\n",
                gone->constant + gone->dead, gone->channels, gone->constant, gone->dead);
}

static void put_method(const Report *r, const Node *n) {
  const char *text = strmap_get(r->in->code->methods, n->results[0]->name);
  if (!text) return;
  put_title("kernel", r->out);
  strbuf_printf(r->out, "%s\n", text);
}

static void (*const parts[])(const Report *r, const Node *n) = {
    put_types, put_work, put_values, put_sums, put_clamp, put_products, put_removed, put_method};

/* ---- the model ---- */

static void put_macs(const Report *r) {
  int64_t before = r->in->removals->macs_before;
  strbuf_printf(r->out, "MACs        %" PRId64, r->macs);
  if (before != r->macs)
    strbuf_printf(r->out, "; %" PRId64 " before channels were removed: %.1f %% saved", before,
                  percent(before - r->macs, before));
  strbuf_puts(r->out, "\n");
}

/* Of the results of layers: what only follows them is not counted again. */
static void put_total_removed(const Report *r) {
  RemovedChannels all = {0};
  for (const Node *n = r->in->graph->first; n; n = n->next) {
    const RemovedChannels *gone = removed_from(r, n);
    if (op_info[n->op]->quant != QUANT_LINEAR) continue;
    const ChannelRanges *left = ranges_tensor(r->ranges, n->results[0]);
    if (gone) {
      all.channels += gone->channels;
      all.constant += gone->constant;
      all.dead += gone->dead;
    } else if (left && left->axis >= 0) {
      all.channels += left->count;
    }
  }
  strbuf_printf(r->out,
                "channels    removed from the results of layers: %" PRId64 " of %" PRId64 ", %" PRId64
                " constant, %" PRId64 " that nothing reads\n",
                all.constant + all.dead, all.channels, all.constant, all.dead);
  if (r->in->removals->left)
    strbuf_printf(r->out, "            %" PRId64 " more could go, too few in their layers to be worth it\n",
                  r->in->removals->left);
  strbuf_printf(r->out, "clamps      dropped because no value reaches them: %d\n", r->in->removals->clamps);
}

static void put_chains(const Report *r) {
  const CodegenFacts *code = r->in->code;
  if (!code->n_chains) return;
  strbuf_printf(r->out, "            %" PRId64 " bytes if no layers were computed band by band, as are:\n",
                code->unfused);
  for (int i = 0; i < code->n_chains; i++) {
    const FusedChain *c = &code->chains[i];
    strbuf_printf(r->out,
                  "            %d operations from '%s' to '%s', %" PRId64 " bands of %" PRId64 " row%s\n",
                  c->layers, comment_text(r->out->arena, c->first), comment_text(r->out->arena, c->last),
                  c->bands, c->rows, c->rows > 1 ? "s" : "");
  }
}

static void put_model(const Report *r) {
  const ReportInput *in = r->in;
  int64_t bytes = 0;
  for (const Node *n = in->graph->first; n; n = n->next) bytes += constant_bytes(n);
  strbuf_printf(r->out, "%s for %s (%s), %s, %d operations\n", comment_text(r->out->arena, in->title),
                in->target->name, in->target->what, graph_form(in->graph), in->graph->n_nodes);
  put_macs(r);
  if (graph_has_integers(in->graph)) put_total_removed(r);
  strbuf_printf(
      r->out, "constants   %" PRId64 " bytes in the model, %" PRId64 " as they are laid out for the target\n",
      bytes, in->code->constants);
  strbuf_printf(
      r->out, "workspace   %" PRId64 " bytes; the tensors that are live at once need at least %" PRId64 "\n",
      in->code->memory.workspace, in->code->memory.bound);
  put_chains(r);
  if (in->stack.bytes >= 0)
    strbuf_printf(r->out, "stack       about %" PRId64 " bytes: %s\n", in->stack.bytes, in->stack.path);
}

void report_print(StrBuf *out, const ReportInput *in) {
  Arena *tmp = arena_new();
  Report r = {out, in, ranges_analyse(tmp, in->graph), graph_macs(in->graph)};
  put_model(&r);
  int i = 0;
  for (const Node *n = in->graph->first; n; n = n->next) {
    strbuf_printf(out, "\n%4d  %s '%s'\n", ++i, node_op_name(n), comment_text(out->arena, node_label(n)));
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) parts[k](&r, n);
  }
  arena_free(tmp);
}
