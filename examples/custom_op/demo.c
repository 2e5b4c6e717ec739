#include "model.h"

#include <stdio.h>

static _Alignas(MODEL_WORKSPACE_ALIGN) unsigned char workspace[MODEL_WORKSPACE_SIZE];

int main(void) {
  float image[MODEL_IMAGE_SIZE], best[MODEL_BEST_SIZE];
  for (int i = 0; i < MODEL_IMAGE_SIZE; i++) image[i] = (float)((i * 37) % 64) / 32 - 1;
  const model_inputs in = {image};
  const model_outputs out = {best};
  if (model_run(&in, &out, workspace)) return 1;
  printf("strongest: %.2f at %.2f of the row\n", (double)best[0], (double)best[1]);
  return 0;
}
