/* -emit report: what was proved about each layer of the compiled model, and what that brought, as text. */
#ifndef QCC_COMPILER_REPORT_H
#define QCC_COMPILER_REPORT_H

#include "codegen/codegen.h"
#include "compiler/c_facts.h"
#include "passes/ranges.h"

typedef struct {
  const Graph *graph; /* after the passes */
  const char *title;  /* the model's file */
  const Target *target;
  const Removals *removals;
  const CodegenFacts *code;
  CStack stack; /* where the code was checked */
} ReportInput;

void report_print(StrBuf *out, const ReportInput *in);

#endif
