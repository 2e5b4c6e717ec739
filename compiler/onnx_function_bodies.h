/* The bodies of the functions of onnx_function.h, as tables. */
#ifndef QCC_COMPILER_ONNX_FUNCTION_BODIES_H
#define QCC_COMPILER_ONNX_FUNCTION_BODIES_H

#include <stdint.h>

enum { ONNX_STEP_INPUTS = 3, ONNX_STEP_INTS = 3 };

/* One operator of a body, or, where `op` is one of these, a constant. */
#define ONNX_STEP_FLOAT  "float"
#define ONNX_STEP_DOUBLE "double"
#define ONNX_STEP_INT64S "int64s"
typedef struct {
  const char *op; /* NULL ends the list */
  const char *result;
  const char *in[ONNX_STEP_INPUTS];
  struct {
    const char *name; /* NULL: none */
    int64_t value;    /* INT, where the next is NULL */
    const char *of;   /* the function's attribute that it has the value of */
  } attr;
  double value;                 /* of a constant */
  int64_t ints[ONNX_STEP_INTS]; /* of a list */
  int n_ints;
} OnnxStep;

/* An attribute that the calls of a function have. */
typedef struct {
  const char *name;
  int type; /* of ONNX: FLOAT or INT */
} OnnxFunctionAttr;

typedef struct {
  const char *name, *what;
  const char *inputs, *outputs;  /* names with blanks between */
  const OnnxFunctionAttr *attrs; /* ends with a NULL name; NULL: none */
  const OnnxStep *steps;
} OnnxFunctionBody;

extern const OnnxFunctionBody onnx_function_bodies[]; /* ends with a NULL name */

#endif
