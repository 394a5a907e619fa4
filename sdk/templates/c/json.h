// A small JSON reader and writer (RFC 8259), enough for sections, steps and checkpoints.
//
// Nothing is ever freed: an instance of a plugin lives for one call, and its memory goes with it.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Text with its length; not terminated.
struct text {
    const char *ptr;
    size_t len;
};

#define TEXT(literal) ((struct text){literal, sizeof(literal) - 1})

bool text_is(struct text one, struct text other);
// As memcmp: by bytes, the shorter first.
int text_compare(struct text one, struct text other);

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

// A value, with its key where it stands in an object.
struct json {
    enum json_type type;
    struct text key;
    // A string without its escapes, or a number as it was written.
    struct text text;
    // What an array or object holds, in order.
    struct json *first;
    struct json *next;
};

// Reads a document. Returns NULL where it is no JSON.
struct json *json_parse(struct text document);

// The value of a key; NULL where there is none, and of what is no object.
struct json *json_get(const struct json *object, struct text key);

// Text that grows.
struct out {
    char *ptr;
    size_t len;
    size_t room;
};

void out_text(struct out *out, struct text text);
// The same as a JSON string, quoted and escaped.
void out_string(struct out *out, struct text text);
// Writes a value as it was read.
void out_json(struct out *out, const struct json *value);

// Memory for `count` items of `size` bytes, zeroed. Traps where there is none.
void *allocate(size_t count, size_t size);
