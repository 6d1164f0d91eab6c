/* A stand-in for libedgetpu, for tests alone: no Edge TPU is behind it.
 *
 * It has the functions that edgeq calls and a delegate that takes every edgetpu-custom-op node
 * and computes nothing. $EDGEQ_FAKE_TPU chooses how it fails:
 *
 *   (unset)    works
 *   old        says RuntimeVersion(13)
 *   null       creates no delegate, as with no device; says why on stderr, as the driver does
 *   abort      aborts while it creates one, as the driver does when a device goes away
 *   segfault   crashes in the delegate, as with a runtime that it does not fit
 *   hang       never comes back from an inference
 *   refuse     an inference fails
 *   exit       ends the process politely in the middle
 *
 * The structures below follow the public C interface of TensorFlow Lite; only what is used has a
 * name. tflite-runtime 2.14 and ai-edge-litert 2.3 agree on them.
 */
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Context Context;
typedef struct Delegate Delegate;

typedef struct {
  int size;
  int data[];
} IntArray;

typedef struct {
  void *(*init)(Context *, const char *, size_t);
  void (*free)(Context *, void *);
  int (*prepare)(Context *, void *);
  int (*invoke)(Context *, void *);
  const char *(*profiling_string)(const Context *, const void *);
  int32_t builtin_code;
  const char *custom_name;
  int version;
  void *external;
  void *async_kernel;
  uint64_t inplace_operator;
} Registration;

struct Context {
  size_t tensors_size;
  int (*get_execution_plan)(Context *, IntArray **);
  void *tensors;
  void *impl;
  void *resize_tensor;
  void (*report_error)(Context *, const char *, ...);
  void *add_tensors;
  int (*get_node)(Context *, int, void **, Registration **);
  int (*replace_nodes)(Context *, Registration, const IntArray *, Delegate *);
};

struct Delegate {
  void *data;
  int (*prepare)(Context *, Delegate *);
  void *copy_from_buffer, *copy_to_buffer, *free_buffer;
  int64_t flags;
  void *builder;
};

static int mode_is(const char *name) {
  const char *mode = getenv("EDGEQ_FAKE_TPU");
  return mode != NULL && strcmp(mode, name) == 0;
}

static int kernel_prepare(Context *context, void *node) {
  (void)context, (void)node;
  return 0;
}

static int kernel_invoke(Context *context, void *node) {
  (void)node;
  while (mode_is("hang")) pause();
  if (mode_is("refuse")) {
    context->report_error(context, "the stand-in refuses");
    return 1;
  }
  return 0;
}

static int delegate_prepare(Context *context, Delegate *self) {
  IntArray *plan, *mine;
  int i, status;
  if (mode_is("segfault")) raise(SIGSEGV);
  if (mode_is("exit")) _exit(0);
  if (context->get_execution_plan(context, &plan)) return 1;
  mine = malloc(sizeof(int) * (plan->size + 1));
  mine->size = 0;
  for (i = 0; i < plan->size; i++) {
    void *node;
    Registration *found;
    if (context->get_node(context, plan->data[i], &node, &found)) return 1;
    if (found->custom_name && strcmp(found->custom_name, "edgetpu-custom-op") == 0)
      mine->data[mine->size++] = plan->data[i];
  }
  Registration kernel = {.prepare = kernel_prepare,
                         .invoke = kernel_invoke,
                         .custom_name = "StandInForEdgeTpu",
                         .version = 1};
  status = context->replace_nodes(context, kernel, mine, self);
  free(mine);
  return status;
}

const char *edgetpu_version(void) {
  return mode_is("old") ? "BuildLabel(stand-in), RuntimeVersion(13)"
                        : "BuildLabel(stand-in), RuntimeVersion(14)";
}

void edgetpu_verbosity(int level) { (void)level; }

Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count,
                                        void (*report)(const char *)) {
  (void)report;
  for (size_t i = 0; i < count; i++)
    fprintf(stderr, "I stand-in.c:1] option %s=%s\n", keys[i], values[i]);
  if (mode_is("null")) {
    fputs("I driver/usb/local_usb_device.cc:1] Permission denied: USB error -3 [OpenDevice]\n",
          stderr);
    return NULL;
  }
  if (mode_is("abort")) {
    fputs("F driver/usb/usb_driver.cc:1148] Not found: USB transfer error 5\n", stderr);
    abort();
  }
  Delegate *delegate = calloc(1, sizeof *delegate);
  delegate->prepare = delegate_prepare;
  delegate->flags = 1; /* else the interpreter prepares the custom operator before we take it */
  return delegate;
}

void tflite_plugin_destroy_delegate(Delegate *delegate) { free(delegate); }
