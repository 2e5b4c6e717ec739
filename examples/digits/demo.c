/* Runs the compiled network over the evaluation set: accuracy, size, speed. The whole use of a model that qcc
 * has emitted is here: include the header, give it a workspace, fill in pointers, call digits_run.
 *
 *   demo IMAGES LABELS        float32 images [N][28][28] and one byte a label, as raw.py writes them */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "digits.h"

static _Alignas(DIGITS_WORKSPACE_ALIGN) unsigned char workspace[DIGITS_WORKSPACE_SIZE];

static double microseconds(void) {
  struct timespec t;
  timespec_get(&t, TIME_UTC);
  return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static int classify(const float *image) {
  float logits[DIGITS_LOGITS_SIZE];
  digits_inputs in = {.image = image};
  digits_outputs out = {.logits = logits};
  if (digits_run(&in, &out, workspace) != 0) exit(1);
  int best = 0;
  for (int i = 1; i < DIGITS_LOGITS_SIZE; i++)
    if (logits[i] > logits[best]) best = i;
  return best;
}

int main(int argc, char **argv) {
  FILE *images = argc > 2 ? fopen(argv[1], "rb") : NULL, *labels = argc > 2 ? fopen(argv[2], "rb") : NULL;
  if (!images || !labels) {
    fprintf(stderr, "usage: demo IMAGES LABELS\n");
    return 2;
  }
  float image[DIGITS_IMAGE_SIZE];
  int label, right = 0, total = 0;
  double best = 1e30;
  while (fread(image, sizeof image, 1, images) == 1 && (label = fgetc(labels)) != EOF) {
    double start = microseconds();
    right += classify(image) == label;
    double time = microseconds() - start;
    if (time < best) best = time;
    total++;
  }
  printf("int8 accuracy of the C code   %.4f  (%d of %d images)\n", (double)right / total, right, total);
  printf("weights and tables            %d bytes\n", DIGITS_CONSTANTS_SIZE);
  printf("workspace                     %d bytes\n", DIGITS_WORKSPACE_SIZE);
  printf("time per inference            %.1f microseconds (the fastest)\n", best);
  fclose(images);
  fclose(labels);
  return 0;
}
