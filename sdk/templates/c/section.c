#include "section.h"

#include <stdlib.h>
#include <string.h>

void entries_add(struct entries *entries, struct entry entry) {
    // Doubled at every power of two.
    if ((entries->count & (entries->count - 1)) == 0) {
        size_t room = entries->count ? entries->count * 2 : 1;
        struct entry *grown = allocate(room, sizeof *grown);
        if (entries->count) memcpy(grown, entries->at, entries->count * sizeof *grown);
        entries->at = grown;
    }
    entries->at[entries->count++] = entry;
}

static int compare(const void *left, const void *right) {
    const struct entry *one = left, *other = right;
    int order = text_compare(one->link, other->link);
    return order ? order : text_compare(one->address, other->address);
}

void entries_sort(struct entries *entries) {
    if (entries->count) qsort(entries->at, entries->count, sizeof *entries->at, compare);
}

bool section_is_sound(const struct json *section) {
    if (!section || section->type != JSON_OBJECT) return false;
    const struct json *links = json_get(section, TEXT("links"));
    if (links && links->type != JSON_OBJECT) return false;
    for (const struct json *link = links ? links->first : NULL; link; link = link->next) {
        if (link->type != JSON_OBJECT) return false;
        for (const struct json *mac = link->first; mac; mac = mac->next) {
            if (mac->type != JSON_STRING && mac->type != JSON_NULL) return false;
        }
    }
    return true;
}

struct entries entries_of(const struct json *section) {
    struct entries entries = {0};
    const struct json *links = json_get(section, TEXT("links"));
    for (const struct json *link = links ? links->first : NULL; link; link = link->next) {
        for (const struct json *item = link->first; item; item = item->next) {
            struct entry entry = {link->key, item->key, item->text, item->type == JSON_STRING};
            entries_add(&entries, entry);
        }
    }
    entries_sort(&entries);
    return entries;
}

const struct entry *entries_find(const struct entries *entries, const struct entry *place) {
    if (!entries->count) return NULL;
    const struct entry *found = bsearch(place, entries->at, entries->count, sizeof *place, compare);
    return found && found->has_mac ? found : NULL;
}

void out_section(struct out *out, const struct entries *entries) {
    out_text(out, TEXT("{\"links\":{"));
    for (size_t i = 0; i < entries->count; i++) {
        const struct entry *entry = &entries->at[i];
        bool is_new = i == 0 || !text_is(entry[-1].link, entry->link);
        if (is_new && i > 0) out_text(out, TEXT("},"));
        if (!is_new) out_text(out, TEXT(","));
        if (is_new) out_string(out, entry->link);
        if (is_new) out_text(out, TEXT(":{"));
        out_string(out, entry->address);
        out_text(out, TEXT(":"));
        if (entry->has_mac) out_string(out, entry->mac);
        else out_text(out, TEXT("null"));
    }
    out_text(out, entries->count ? TEXT("}}}") : TEXT("}}"));
}

void out_entry(struct out *out, const struct entry *entry) {
    out_text(out, TEXT("{\"link\":"));
    out_string(out, entry->link);
    out_text(out, TEXT(",\"address\":"));
    out_string(out, entry->address);
    out_text(out, TEXT(",\"mac\":"));
    out_string(out, entry->mac);
    out_text(out, TEXT("}"));
}

static void out_key(struct out *out, struct text key) {
    out_text(out, TEXT("/"));
    for (size_t i = 0; i < key.len; i++) {
        if (key.ptr[i] == '~') out_text(out, TEXT("~0"));
        else if (key.ptr[i] == '/') out_text(out, TEXT("~1"));
        else out_text(out, (struct text){key.ptr + i, 1});
    }
}

void out_place(struct out *out, const struct entry *entry) {
    out_key(out, TEXT("links"));
    out_key(out, entry->link);
    out_key(out, entry->address);
}

bool out_problem(struct out *out, const struct entry *entry) {
    int first = 0;
    for (size_t i = 0; i < entry->address.len && entry->address.ptr[i] != '.'; i++) {
        first = first * 10 + (entry->address.ptr[i] - '0');
    }
    if (first == 0 || first == 127 || first >= 224) {
        out_text(out, entry->address);
        out_text(out, TEXT(" is no address of a neighbour; write one below 224.0.0.0"));
        return true;
    }
    // The lowest bit of the first octet, whose digits come first.
    char digit = entry->has_mac && entry->mac.len > 1 ? entry->mac.ptr[1] : '0';
    if (digit <= '9' ? digit & 1 : (digit & 1) == 0) {
        out_text(out, entry->mac);
        out_text(out, TEXT(" is the address of a group; the first octet of a neighbour's is even"));
        return true;
    }
    return false;
}
