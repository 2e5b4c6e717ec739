/* A check of the protobuf wire format that runs before protobuf-c sees a byte. protobuf-c recurses without a
 * limit, and takes lengths, repeated messages and NUL bytes in strings at their word; a file that passes here
 * is none of its surprises. */
#ifndef QCC_COMPILER_ONNX_SCAN_H
#define QCC_COMPILER_ONNX_SCAN_H

#include "ir/diag.h"
#include <protobuf-c/protobuf-c.h>

/* Messages and groups nest at most this deep, as in Google's implementations. */
enum { ONNX_MAX_DEPTH = 100 };

/* Checks `data` as one message of type `root`: field numbers and wire types are valid and are those of the
 * schema, lengths stay within the parent, varints end within 10 bytes, groups are balanced, no singular
 * message comes twice, no string holds a NUL byte, nesting and the number of objects are bounded. Unknown
 * fields are allowed; unknown groups are rewritten in place to unknown byte fields, because protobuf-c cannot
 * skip groups. False after a diagnostic that names the offset. */
bool onnx_scan(Diag *d, SrcLoc loc, uint8_t *data, size_t len, const ProtobufCMessageDescriptor *root);

#endif
