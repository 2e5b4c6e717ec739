/* The table of layers that -instrument adds: what a caller needs to say where the time goes. */
#include "codegen/module.h"
#include "codegen/names.h"
#include "ir/ops/custom.h"

int module_layers(const Cg *variant) {
  int n = 0;
  for (const Kernel *k = variant->kernels; k; k = k->next) n += k->first_of_layer;
  return n;
}

static int64_t bytes_of(const Node *n) {
  int64_t bytes = 0;
  for (int i = 0; i < n->n_operands; i++)
    if (n->operands[i]) bytes += type_bytes(&n->operands[i]->type);
  for (int i = 0; i < n->n_results; i++) bytes += type_bytes(&n->results[i]->type);
  return bytes;
}

void module_define_layers(const Module *m, const Cg *variant, StrBuf *c) {
  int n = module_layers(variant);
  strbuf_printf(c, "const %s_layer_info %s_layers%s[%d] = {\n", m->name, m->name, module_suffix(m, variant),
                n ? n : 1);
  for (const Kernel *k = variant->kernels; k; k = k->next) {
    if (!k->first_of_layer) continue;
    const OpInfo *op = op_info[k->node->op];
    strbuf_printf(c, "    {\"%s\", \"%s\", %lld, %lld},\n", cg_title(variant, k->node), node_op_name(k->node),
                  (long long)(op->macs ? op->macs(k->node) : 0), (long long)bytes_of(k->node));
  }
  if (!n) strbuf_puts(c, "    {\"\", \"\", 0, 0},\n");
  strbuf_puts(c, "};\n\n");
}
