/* What the numbers of a quantized tensor mean where no QuantizeLinear makes it: the graph's annotations say
 * it, or else its first reader. */
#include "compiler/onnx_import.h"
#include "ir/quant.h"

#include <string.h>

/* The initializer that the annotation names under `key`; NULL where there is none. */
static const OnnxValue *parameter(const OnnxImporter *im, const Onnx__TensorAnnotation *a, const char *key) {
  for (size_t i = 0; i < a->n_quant_parameter_tensor_names; i++)
    if (!strcmp(onnx_str(a->quant_parameter_tensor_names[i]->key), key))
      return strmap_get(im->values, onnx_str(a->quant_parameter_tensor_names[i]->value));
  return NULL;
}

static bool is_single(const OnnxValue *v, DType dtype) {
  return v && v->data && v->type.dtype == dtype && shape_count(&v->type.shape) == 1;
}

bool onnx_annotated_quant(OnnxImporter *im, SrcLoc loc, const char *name, DType dtype, const Quant **quant) {
  const Onnx__TensorAnnotation *a = strmap_get(im->annotations, name);
  *quant = NULL;
  if (!a) return true;
  const OnnxValue *scale = parameter(im, a, "SCALE_TENSOR"), *zero = parameter(im, a, "ZERO_POINT_TENSOR");
  if (!is_single(scale, DT_F32) || !is_single(zero, dtype))
    return diag_error(
        im->diag, loc,
        "the annotation of '%s' does not name a scale and a zero point, one of FLOAT and one of %s",
        onnx_shown(im->arena, name), dtype_info[dtype].name);
  float s = *(const float *)scale->data;
  int32_t z = dtype == DT_U8 ? *(const uint8_t *)zero->data : *(const int8_t *)zero->data;
  if (!scale_is_valid(s))
    return diag_error(im->diag, loc,
                      "the annotation of '%s' names the scale %g: it must be positive, finite and normal",
                      onnx_shown(im->arena, name), (double)s);
  *quant = quant_per_tensor(im->arena, s, z);
  return true;
}

void onnx_find_annotations(OnnxImporter *im) {
  im->annotations = strmap_new(im->arena);
  im->readers = strmap_new(im->arena);
  for (size_t i = 0; i < im->proto->n_quantization_annotation; i++) {
    Onnx__TensorAnnotation *a = im->proto->quantization_annotation[i];
    const char *name = onnx_str(a->tensor_name);
    if (!strmap_get(im->annotations, name)) strmap_put(im->annotations, name, a);
  }
  for (size_t i = 0; i < im->proto->n_node; i++) {
    Onnx__NodeProto *p = im->proto->node[i];
    if (strcmp(onnx_str(p->op_type), "DequantizeLinear") || !p->n_input) continue;
    if (!strmap_get(im->readers, onnx_str(p->input[0]))) strmap_put(im->readers, onnx_str(p->input[0]), p);
  }
}
