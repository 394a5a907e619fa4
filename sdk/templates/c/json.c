#include "json.h"

#include <stdlib.h>
#include <string.h>

// The host refuses documents that nest deeper (wit/types.wit).
#define DEEPEST 128

struct reader {
    const char *at;
    const char *end;
    int depth;
};

void *allocate(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (!memory) abort();
    return memory;
}

bool text_is(struct text one, struct text other) { return text_compare(one, other) == 0; }

int text_compare(struct text one, struct text other) {
    size_t shorter = one.len < other.len ? one.len : other.len;
    int order = shorter ? memcmp(one.ptr, other.ptr, shorter) : 0;
    return order ? order : (one.len > other.len) - (one.len < other.len);
}

static void skip_space(struct reader *in) {
    while (in->at < in->end && *in->at && strchr(" \t\r\n", *in->at)) in->at++;
}

// Takes `sign` if it comes next.
static bool take(struct reader *in, char sign) {
    skip_space(in);
    bool found = in->at < in->end && *in->at == sign;
    if (found) in->at++;
    return found;
}

static bool take_word(struct reader *in, struct text word) {
    bool found = (size_t)(in->end - in->at) >= word.len && !memcmp(in->at, word.ptr, word.len);
    if (found) in->at += word.len;
    return found;
}

static bool read_hex(struct reader *in, uint32_t *code) {
    if (in->end - in->at < 4) return false;
    *code = 0;
    for (const char *stop = in->at + 4; in->at < stop; in->at++) {
        const char *digits = "0123456789abcdef0123456789ABCDEF";
        const char *digit = *in->at ? strchr(digits, *in->at) : NULL;
        if (!digit) return false;
        *code = *code * 16 + (uint32_t)(digit - digits) % 16;
    }
    return true;
}

// The four hexadecimal digits after `\u`, and the second half of a surrogate pair where there is one, as UTF-8.
static char *read_escaped(struct reader *in, char *to) {
    uint32_t code, low;
    if (!read_hex(in, &code)) return NULL;
    if (code >= 0xd800 && code < 0xdc00) {
        if (!take_word(in, TEXT("\\u")) || !read_hex(in, &low) || low < 0xdc00 || low > 0xdfff) return NULL;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code <= 0xdfff) {
        return NULL;
    }
    int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    const uint8_t lead[] = {0, 0xc0, 0xe0, 0xf0};
    *to++ = (char)(lead[more] | code >> (6 * more));
    while (more-- > 0) *to++ = (char)(0x80 | (code >> (6 * more) & 0x3f));
    return to;
}

static bool read_string(struct reader *in, struct text *text) {
    if (!take(in, '"')) return false;
    const char *quote = in->at;
    while (quote < in->end && *quote != '"') quote += *quote == '\\' ? 2 : 1;
    if (quote >= in->end) return false;
    // Without its escapes it is no longer than with them.
    char *start = allocate((size_t)(quote - in->at), 1), *to = start;
    while (in->at < quote) {
        char sign = *in->at++;
        if ((unsigned char)sign < 0x20) return false;
        if (sign != '\\') {
            *to++ = sign;
            continue;
        }
        const char *names = "\"\\/bfnrt", *means = "\"\\/\b\f\n\r\t";
        char name = *in->at++;
        const char *found = name ? strchr(names, name) : NULL;
        if (found) *to++ = means[found - names];
        else if (name != 'u' || !(to = read_escaped(in, to))) return false;
    }
    in->at = quote + 1;
    *text = (struct text){start, (size_t)(to - start)};
    return true;
}

static struct json *read_value(struct reader *in);

// What stands between the brackets of an array or object, up to `close`.
static bool read_items(struct reader *in, struct json *value, char close) {
    struct json **last = &value->first;
    if (take(in, close)) return true;
    do {
        struct text key = {0};
        if (value->type == JSON_OBJECT && (!read_string(in, &key) || !take(in, ':'))) return false;
        struct json *item = read_value(in);
        if (!item) return false;
        item->key = key;
        *last = item;
        last = &item->next;
    } while (take(in, ','));
    return take(in, close);
}

static struct json *read_value(struct reader *in) {
    struct json *value = allocate(1, sizeof *value);
    if (++in->depth > DEEPEST) return NULL;
    skip_space(in);
    bool sound = true;
    const char *start = in->at;
    if (in->at < in->end && *in->at == '"') {
        value->type = JSON_STRING;
        sound = read_string(in, &value->text);
    } else if (take(in, '{')) {
        value->type = JSON_OBJECT;
        sound = read_items(in, value, '}');
    } else if (take(in, '[')) {
        value->type = JSON_ARRAY;
        sound = read_items(in, value, ']');
    } else if (take_word(in, TEXT("true"))) {
        value->type = JSON_TRUE;
    } else if (take_word(in, TEXT("false"))) {
        value->type = JSON_FALSE;
    } else if (!take_word(in, TEXT("null"))) {
        value->type = JSON_NUMBER;
        while (in->at < in->end && *in->at && strchr("+-.0123456789Ee", *in->at)) in->at++;
        value->text = (struct text){start, (size_t)(in->at - start)};
        sound = in->at > start;
    }
    in->depth--;
    return sound ? value : NULL;
}

struct json *json_parse(struct text document) {
    struct reader in = {document.ptr, document.ptr + document.len, 0};
    struct json *value = read_value(&in);
    skip_space(&in);
    return in.at == in.end ? value : NULL;
}

struct json *json_get(const struct json *object, struct text key) {
    if (!object || object->type != JSON_OBJECT) return NULL;
    for (struct json *item = object->first; item; item = item->next) {
        if (text_is(item->key, key)) return item;
    }
    return NULL;
}

void out_text(struct out *out, struct text text) {
    if (out->room - out->len < text.len) {
        out->room = (out->len + text.len) * 2;
        out->ptr = realloc(out->ptr, out->room);
        if (!out->ptr) abort();
    }
    if (text.len) memcpy(out->ptr + out->len, text.ptr, text.len);
    out->len += text.len;
}

void out_string(struct out *out, struct text text) {
    out_text(out, TEXT("\""));
    for (size_t i = 0; i < text.len; i++) {
        unsigned char sign = (unsigned char)text.ptr[i];
        const char *digits = "0123456789abcdef";
        char escaped[] = {'\\', 'u', '0', '0', digits[sign >> 4], digits[sign & 15]};
        if (sign == '"' || sign == '\\') out_text(out, TEXT("\\"));
        if (sign < 0x20) out_text(out, (struct text){escaped, sizeof escaped});
        else out_text(out, (struct text){text.ptr + i, 1});
    }
    out_text(out, TEXT("\""));
}

void out_json(struct out *out, const struct json *value) {
    bool is_object = value->type == JSON_OBJECT;
    switch (value->type) {
    case JSON_NUMBER:
        out_text(out, value->text);
        return;
    case JSON_STRING:
        out_string(out, value->text);
        return;
    case JSON_ARRAY:
    case JSON_OBJECT:
        out_text(out, is_object ? TEXT("{") : TEXT("["));
        for (struct json *item = value->first; item; item = item->next) {
            if (item != value->first) out_text(out, TEXT(","));
            if (is_object) out_string(out, item->key);
            if (is_object) out_text(out, TEXT(":"));
            out_json(out, item);
        }
        out_text(out, is_object ? TEXT("}") : TEXT("]"));
        return;
    case JSON_TRUE:
        out_text(out, TEXT("true"));
        return;
    case JSON_FALSE:
        out_text(out, TEXT("false"));
        return;
    case JSON_NULL:
        out_text(out, TEXT("null"));
    }
}
