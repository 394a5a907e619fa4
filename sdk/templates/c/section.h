// What the plugin computes with: the entries of a section.

#pragma once

#include "json.h"

// One place of a section: which MAC address an IPv4 address on a link has; none where there is to be no entry.
struct entry {
    struct text link;
    struct text address;
    struct text mac;
    bool has_mac;
};

struct entries {
    struct entry *at;
    size_t count;
};

// Whether a document is a section: links hold addresses, and addresses a MAC address or null.
bool section_is_sound(const struct json *section);

// The entries of `{"links": {LINK: {ADDRESS: MAC or null}}}`, by link and address.
struct entries entries_of(const struct json *section);

void entries_add(struct entries *entries, struct entry entry);
void entries_sort(struct entries *entries);

// The entry of the same place; NULL where there is none, or none with a MAC address.
const struct entry *entries_find(const struct entries *entries, const struct entry *place);

// Writes entries as a section.
void out_section(struct out *out, const struct entries *entries);
// Writes one entry as an object, as the steps of a plan carry it.
void out_entry(struct out *out, const struct entry *entry);
// Writes the place of an entry in the section, a JSON Pointer (RFC 6901).
void out_place(struct out *out, const struct entry *entry);

// What the schema cannot say: an entry is for one neighbour, not for a group of them. False where nothing is wrong.
bool out_problem(struct out *out, const struct entry *entry);
