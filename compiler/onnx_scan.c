#include "compiler/onnx_scan.h"

#include <inttypes.h>
#include <string.h>

enum {
  WIRE_VARINT = 0,
  WIRE_64 = 1,
  WIRE_BYTES = 2,
  WIRE_GROUP = 3,
  WIRE_GROUP_END = 4,
  WIRE_32 = 5,
  MAX_VARINT = 10,
  MAX_TAG = 5, /* bytes that protobuf-c reads of a tag or a length */
  /* Strings and messages in one file. Each costs memory far beyond its two bytes on the wire. */
  MAX_OBJECTS = 1 << 22
};

typedef struct {
  Diag *diag;
  SrcLoc loc;
  uint8_t *data;
  int objects;
} Scan;

/* The enclosing message, for its limits and for messages to the user. */
typedef struct {
  const ProtobufCMessageDescriptor *desc; /* NULL: an unknown group */
  size_t end;
  const uint8_t *name; /* its `name` field, once seen; of a node without one, an output */
  size_t name_len;
} Frame;

static bool scan_message(Scan *s, const ProtobufCMessageDescriptor *desc, size_t pos, size_t end, int depth);

static bool bad(const Scan *s, size_t at, const char *what) {
  return diag_error(s->diag, s->loc, "is not a valid ONNX file: %s at byte %zu", what, at);
}

static bool read_varint(const Scan *s, size_t *pos, size_t end, int max_bytes, uint64_t *v) {
  *v = 0;
  for (int i = 0; i < max_bytes; i++) {
    if (*pos + (size_t)i >= end) return bad(s, *pos, "a number is cut off");
    uint8_t byte = s->data[*pos + (size_t)i];
    *v |= (uint64_t)(byte & 0x7f) << (7 * i);
    if (byte & 0x80) continue;
    *pos += (size_t)i + 1;
    return true;
  }
  return bad(s, *pos, "a number has too many bytes");
}

static bool read_tag(const Scan *s, size_t *pos, size_t end, uint32_t *field, int *wire) {
  uint64_t tag;
  size_t at = *pos;
  if (!read_varint(s, pos, end, MAX_TAG, &tag)) return false;
  *wire = (int)(tag & 7);
  *field = (uint32_t)(tag >> 3);
  if (tag > UINT32_MAX || *field == 0) return bad(s, at, "a field number is out of range");
  if (*wire > WIRE_32) return bad(s, at, "a field has an unknown wire type");
  return true;
}

static bool read_length(const Scan *s, size_t *pos, size_t end, size_t *len) {
  uint64_t v;
  size_t at = *pos;
  if (!read_varint(s, pos, end, MAX_VARINT, &v)) return false;
  if (v > end - *pos) return bad(s, at, "a length runs past the end of what holds it");
  if (*pos - at > MAX_TAG) return bad(s, at, "a length has too many bytes");
  *len = (size_t)v;
  return true;
}

static bool skip_fixed(const Scan *s, size_t *pos, size_t end, size_t bytes) {
  if (end - *pos < bytes) return bad(s, *pos, "a number is cut off");
  *pos += bytes;
  return true;
}

/* A balanced group becomes a byte string of the same size: the tag's wire type changes, and the length, a
 * varint of just the width that makes the sizes meet, overwrites the start of the content. */
static void group_to_bytes(uint8_t *tag, uint8_t *after_tag, const uint8_t *end) {
  size_t room = (size_t)(end - after_tag), width = 1;
  while (width < room && (room - width) >> (7 * width)) width++;
  size_t len = room - width;
  *tag = (uint8_t)((*tag & ~7) | WIRE_BYTES);
  for (size_t i = 0; i < width; i++)
    after_tag[i] = (uint8_t)(((len >> (7 * i)) & 0x7f) | (i + 1 < width ? 0x80 : 0));
}

/* Skips an unknown group whose start tag ends at *pos. Iterative: nesting here is the attacker's to choose.
 */
static bool scan_group(Scan *s, size_t *pos, size_t end, uint32_t number, int depth) {
  uint32_t open[ONNX_MAX_DEPTH];
  int n = 0;
  open[n++] = number;
  while (n) {
    uint32_t field;
    int wire;
    size_t at = *pos, len;
    uint64_t v;
    if (*pos >= end) return bad(s, *pos, "a group is not closed");
    if (!read_tag(s, pos, end, &field, &wire)) return false;
    switch (wire) {
    case WIRE_VARINT:
      if (!read_varint(s, pos, end, MAX_VARINT, &v)) return false;
      break;
    case WIRE_64:
      if (!skip_fixed(s, pos, end, 8)) return false;
      break;
    case WIRE_32:
      if (!skip_fixed(s, pos, end, 4)) return false;
      break;
    case WIRE_BYTES:
      if (!read_length(s, pos, end, &len)) return false;
      *pos += len;
      break;
    case WIRE_GROUP:
      if (n + depth >= ONNX_MAX_DEPTH) return bad(s, at, "groups nest too deep");
      open[n++] = field;
      break;
    default:
      if (open[--n] != field) return bad(s, at, "a group is closed by another's end");
    }
  }
  return true;
}

static bool scan_unknown(Scan *s, size_t at, size_t *pos, size_t end, uint32_t field, int wire, int depth) {
  size_t len, after_tag = *pos;
  uint64_t v;
  switch (wire) {
  case WIRE_VARINT:
    return read_varint(s, pos, end, MAX_VARINT, &v);
  case WIRE_64:
    return skip_fixed(s, pos, end, 8);
  case WIRE_32:
    return skip_fixed(s, pos, end, 4);
  case WIRE_GROUP_END:
    return bad(s, at, "a group ends that never began");
  case WIRE_BYTES:
    if (!read_length(s, pos, end, &len)) return false;
    *pos += len;
    return true;
  default:
    if (!scan_group(s, pos, end, field, depth)) return false;
    group_to_bytes(s->data + at, s->data + after_tag, s->data + *pos);
    return true;
  }
}

/* How a field's type is written: its wire type when it stands alone. */
static int wire_of(ProtobufCType type) {
  switch (type) {
  case PROTOBUF_C_TYPE_STRING:
  case PROTOBUF_C_TYPE_BYTES:
  case PROTOBUF_C_TYPE_MESSAGE:
    return WIRE_BYTES;
  case PROTOBUF_C_TYPE_FLOAT:
  case PROTOBUF_C_TYPE_FIXED32:
  case PROTOBUF_C_TYPE_SFIXED32:
    return WIRE_32;
  case PROTOBUF_C_TYPE_DOUBLE:
  case PROTOBUF_C_TYPE_FIXED64:
  case PROTOBUF_C_TYPE_SFIXED64:
    return WIRE_64;
  default:
    return WIRE_VARINT;
  }
}

static bool wrong_wire(const Scan *s, const Frame *f, const ProtobufCFieldDescriptor *field, int wire,
                       size_t at) {
  return diag_error(s->diag, s->loc, "is not a valid ONNX file: %s.%s has wire type %d at byte %zu",
                    f->desc->short_name, field->name, wire, at);
}

static bool scan_packed(const Scan *s, size_t pos, size_t end, int wire) {
  uint64_t v;
  if (wire == WIRE_32 && (end - pos) % 4) return bad(s, pos, "packed numbers are cut off");
  if (wire == WIRE_64 && (end - pos) % 8) return bad(s, pos, "packed numbers are cut off");
  while (wire == WIRE_VARINT && pos < end)
    if (!read_varint(s, &pos, end, MAX_VARINT, &v)) return false;
  return true;
}

/* Shows a string with its NUL bytes, which ended it in every message otherwise. */
static bool nul_in_string(const Scan *s, const Frame *f, const ProtobufCFieldDescriptor *field,
                          const uint8_t *text, size_t len) {
  enum { SHOWN = 60 };
  StrBuf b;
  strbuf_init(&b, s->diag->arena);
  for (size_t i = 0; i < len && i < SHOWN; i++) {
    if (text[i]) {
      strbuf_put(&b, text + i, 1);
    } else {
      strbuf_puts(&b, "\\x00");
    }
  }
  SrcLoc loc = s->loc;
  bool node = !strcmp(f->desc->short_name, "NodeProto");
  if (node && f->name && !memchr(f->name, 0, f->name_len))
    loc.path = arena_printf(s->diag->arena, "node '%.*s'", (int)(f->name_len < SHOWN ? f->name_len : SHOWN),
                            (const char *)f->name);
  return diag_error(s->diag, loc, "%s '%s' holds a NUL byte", node ? field->name : "a string", b.text);
}

static bool scan_known(Scan *s, Frame *f, const ProtobufCFieldDescriptor *field, size_t at, size_t *pos,
                       int wire, int depth) {
  int own = wire_of(field->type);
  size_t len;
  uint64_t v;
  bool packed = wire == WIRE_BYTES && own != WIRE_BYTES && field->label == PROTOBUF_C_LABEL_REPEATED;
  if (wire != own && !packed) return wrong_wire(s, f, field, wire, at);
  if (wire == WIRE_VARINT) return read_varint(s, pos, f->end, MAX_VARINT, &v);
  if (wire == WIRE_64) return skip_fixed(s, pos, f->end, 8);
  if (wire == WIRE_32) return skip_fixed(s, pos, f->end, 4);
  if (!read_length(s, pos, f->end, &len)) return false;
  size_t begin = *pos;
  *pos += len;
  if (packed) return scan_packed(s, begin, *pos, own);
  if (++s->objects > MAX_OBJECTS) return bad(s, at, "the model has too many parts");
  if (field->type == PROTOBUF_C_TYPE_MESSAGE)
    return scan_message(s, field->descriptor, begin, *pos, depth + 1);
  if (field->type != PROTOBUF_C_TYPE_STRING) return true;
  if (len && memchr(s->data + begin, 0, len)) return nul_in_string(s, f, field, s->data + begin, len);
  if (len && (!strcmp(field->name, "name") || (!f->name && !strcmp(field->name, "output")))) {
    f->name = s->data + begin;
    f->name_len = len;
  }
  return true;
}

static bool scan_message(Scan *s, const ProtobufCMessageDescriptor *desc, size_t pos, size_t end, int depth) {
  Frame f = {.desc = desc, .end = end};
  uint64_t seen = 0; /* singular message fields, by their place in the descriptor */
  if (depth > ONNX_MAX_DEPTH) return bad(s, pos, "messages nest too deep");
  while (pos < end) {
    uint32_t number;
    int wire;
    size_t at = pos;
    if (!read_tag(s, &pos, end, &number, &wire)) return false;
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(desc, number);
    if (!field) {
      if (!scan_unknown(s, at, &pos, end, number, wire, depth)) return false;
      continue;
    }
    if (field->type == PROTOBUF_C_TYPE_MESSAGE && field->label != PROTOBUF_C_LABEL_REPEATED) {
      uint64_t bit = (uint64_t)1 << ((field - desc->fields) & 63);
      if (seen & bit)
        return diag_error(s->diag, s->loc, "is not a valid ONNX file: %s.%s is given twice, at byte %zu",
                          desc->short_name, field->name, at);
      seen |= bit;
    }
    if (!scan_known(s, &f, field, at, &pos, wire, depth)) return false;
  }
  return true;
}

bool onnx_scan(Diag *d, SrcLoc loc, uint8_t *data, size_t len, const ProtobufCMessageDescriptor *root) {
  Scan s = {.diag = d, .loc = loc, .data = data};
  if (!len) return diag_error(d, loc, "is empty");
  return scan_message(&s, root, 0, len, 1);
}
