// Keeps static neighbours: the MAC addresses that belong to IPv4 addresses on a link, which nobody has to ask for any more.
//
// A section of a state file names links, addresses and MAC addresses; `null` takes an entry away:
// {"links": {"eth0": {"192.0.2.7": "02:00:5e:00:53:07", "192.0.2.8": null}}}
//
// This file is the plugin's side of wit/state.wit; section.c computes, json.c reads and writes.

#include <stdlib.h>
#include <string.h>

#include "bindings/netlink_plugin.h"
#include "section.h"

typedef netlink_plugin_string_t string;
typedef exports_op_dbus_plugin_state_action_t action;
typedef exports_op_dbus_plugin_state_list_action_t actions;
typedef exports_op_dbus_plugin_state_outcome_t outcome;
typedef exports_op_dbus_plugin_state_list_outcome_t outcomes;
typedef exports_op_dbus_plugin_state_failure_t failure;
typedef op_dbus_plugin_netlink_neighbour_t neighbour;
typedef op_dbus_plugin_netlink_request_t request;

#define OCTET "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"

static const char SCHEMA[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"links\":{"
    "\"description\":\"By link, by IPv4 address: the MAC address; null where there is to be no entry\","
    "\"type\":\"object\",\"additionalProperties\":{\"type\":\"object\","
    "\"propertyNames\":{\"pattern\":\"^" OCTET "([.]" OCTET "){3}$\"},"
    "\"additionalProperties\":{\"type\":[\"string\",\"null\"],\"pattern\":\"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$\"}}}}}";

static const char ASKS[] = "{\"netlink\":{\"see\":[\"*\"],\"change\":[\"*\"],\"networks\":[\"0.0.0.0/0\"]}}";

// What goes out is freed by the bindings: a literal must be copied.
static string copy(const char *literal) {
    string to;
    netlink_plugin_string_dup(&to, literal);
    return to;
}

static string give(struct out out) { return (string){(uint8_t *)out.ptr, out.len}; }
static struct text seen(string from) { return (struct text){(const char *)from.ptr, from.len}; }
static string lend(struct text text) { return (string){(uint8_t *)text.ptr, text.len}; }

static bool invalid(failure *failed, const char *message) {
    *failed = (failure){.code = OP_DBUS_PLUGIN_TYPES_FAILURE_CODE_INVALID, .message = copy(message)};
    return false;
}

void exports_op_dbus_plugin_state_describe(exports_op_dbus_plugin_state_description_t *ret) {
    *ret = (exports_op_dbus_plugin_state_description_t){
        .name = copy("{{name}}"),
        .version = copy("0.1.0"),
        .summary = copy("Static IPv4 neighbours of network links"),
        .schema = copy(SCHEMA),
        .supports = {.checkpoints = true, .atomic = false, .scoped_query = true},
        .asks = copy(ASKS),
    };
}

void exports_op_dbus_plugin_state_watches(exports_op_dbus_plugin_state_list_watch_t *ret) {
    ret->ptr = allocate(1, sizeof *ret->ptr);
    ret->ptr[0].tag = EXPORTS_OP_DBUS_PLUGIN_STATE_WATCH_NEIGHBOURS;
    ret->len = 1;
}

void exports_op_dbus_plugin_state_validate(string *desired, exports_op_dbus_plugin_state_list_problem_t *ret) {
    struct json *section = json_parse(seen(*desired));
    struct entries entries = {0};
    if (section_is_sound(section)) entries = entries_of(section);
    *ret = (exports_op_dbus_plugin_state_list_problem_t){allocate(entries.count + 1, sizeof *ret->ptr), 0};
    if (!section_is_sound(section)) {
        ret->ptr[ret->len++] = (exports_op_dbus_plugin_state_problem_t){copy(""), copy("no section")};
    }
    for (size_t i = 0; i < entries.count; i++) {
        struct out path = {0}, message = {0};
        if (!out_problem(&message, &entries.at[i])) continue;
        out_place(&path, &entries.at[i]);
        ret->ptr[ret->len++] = (exports_op_dbus_plugin_state_problem_t){give(path), give(message)};
    }
}

// What is there of a section, or of everything where there is none.
static bool read_entries(const struct json *within, struct entries *found, failure *failed) {
    const struct json *links = json_get(within, TEXT("links"));
    netlink_plugin_list_string_t names = {0};
    for (const struct json *link = links ? links->first : NULL; link; link = link->next) names.len++;
    *found = (struct entries){0};
    if (within && names.len == 0) return true; // No name would mean every link.
    names.ptr = allocate(names.len, sizeof *names.ptr);
    size_t next = 0;
    for (const struct json *link = links ? links->first : NULL; link; link = link->next) names.ptr[next++] = lend(link->key);

    op_dbus_plugin_netlink_list_neighbour_t all;
    if (!op_dbus_plugin_netlink_neighbours(&names, &all, failed)) return false;
    for (size_t i = 0; i < all.len; i++) {
        const neighbour *it = &all.ptr[i];
        struct entry entry = {seen(it->link), seen(it->address), seen(it->mac.val), it->mac.is_some};
        bool is_static = it->state == OP_DBUS_PLUGIN_NETLINK_NEIGHBOUR_STATE_PERMANENT && !it->proxy;
        bool is_ipv4 = !memchr(entry.address.ptr, ':', entry.address.len);
        // A link that is named without addresses is shown whole.
        const struct json *named = json_get(links, entry.link);
        bool is_meant = !within || (named && (!named->first || json_get(named, entry.address)));
        if (is_static && is_ipv4 && is_meant && entry.has_mac) entries_add(found, entry);
    }
    entries_sort(found);
    return true;
}

// Reads an optional section; NULL stays NULL.
static bool read_section(const string *text, struct json **section, failure *failed) {
    *section = text ? json_parse(seen(*text)) : NULL;
    if (!text || section_is_sound(*section)) return true;
    return invalid(failed, "no section: links hold addresses, and addresses a MAC address or null");
}

bool exports_op_dbus_plugin_state_query(string *maybe_within, string *ret, failure *err) {
    struct json *within;
    struct entries found;
    if (!read_section(maybe_within, &within, err) || !read_entries(within, &found, err)) return false;
    struct out out = {0};
    out_section(&out, &found);
    *ret = give(out);
    return true;
}

static void give_entry(const struct entry *entry, exports_op_dbus_plugin_state_option_json_t *to) {
    struct out out = {0};
    if (entry) out_entry(&out, entry);
    *to = (exports_op_dbus_plugin_state_option_json_t){.is_some = entry != NULL, .val = give(out)};
}

// The step from one entry to another of the same place; either may be NULL.
static action step(const struct entry *place, const struct entry *have, const struct entry *want) {
    action step = {.operation = EXPORTS_OP_DBUS_PLUGIN_STATE_OPERATION_MODIFY};
    struct out target = {0}, summary = {0};
    out_text(&target, TEXT("neighbour "));
    out_text(&target, place->address);
    out_text(&target, TEXT(" on "));
    out_text(&target, place->link);
    if (!have) {
        step.operation = EXPORTS_OP_DBUS_PLUGIN_STATE_OPERATION_CREATE;
        out_text(&summary, TEXT("add "));
        out_text(&summary, want->mac);
    } else if (!want) {
        step.operation = EXPORTS_OP_DBUS_PLUGIN_STATE_OPERATION_DELETE;
        out_text(&summary, TEXT("remove "));
        out_text(&summary, have->mac);
    } else {
        out_text(&summary, have->mac);
        out_text(&summary, TEXT(" becomes "));
        out_text(&summary, want->mac);
    }
    step.target = give(target);
    step.summary = give(summary);
    give_entry(have, &step.before);
    give_entry(want, &step.after);
    return step;
}

static bool differ(const struct entry *have, const struct entry *want) {
    if (!have || !want) return have != want;
    return !text_is(have->mac, want->mac);
}

static actions plan(const struct entries *current, const struct entries *desired) {
    actions plan = {allocate(desired->count, sizeof *plan.ptr), 0};
    for (size_t i = 0; i < desired->count; i++) {
        const struct entry *place = &desired->at[i];
        const struct entry *have = entries_find(current, place), *want = place->has_mac ? place : NULL;
        if (differ(have, want)) plan.ptr[plan.len++] = step(place, have, want);
    }
    return plan;
}

bool exports_op_dbus_plugin_state_diff(string *current, string *desired, actions *ret, failure *err) {
    struct json *from, *to;
    if (!read_section(current, &from, err) || !read_section(desired, &to, err)) return false;
    struct entries have = entries_of(from), want = entries_of(to);
    *ret = plan(&have, &want);
    return true;
}

// What carries a step out.
static bool make_request(const action *step, request *to, failure *failed) {
    const exports_op_dbus_plugin_state_option_json_t *text = step->after.is_some ? &step->after : &step->before;
    struct json *entry = text->is_some ? json_parse(seen(text->val)) : NULL;
    struct json *link = json_get(entry, TEXT("link")), *address = json_get(entry, TEXT("address"));
    struct json *mac = json_get(entry, TEXT("mac"));
    if (!link || !address || !mac) return invalid(failed, "a step without an entry");
    neighbour it = {
        .link = lend(link->text),
        .address = lend(address->text),
        .mac = {true, lend(mac->text)},
        .state = OP_DBUS_PLUGIN_NETLINK_NEIGHBOUR_STATE_PERMANENT,
    };
    if (step->after.is_some) *to = (request){.tag = OP_DBUS_PLUGIN_NETLINK_REQUEST_PUT_NEIGHBOUR, .val.put_neighbour = it};
    else *to = (request){.tag = OP_DBUS_PLUGIN_NETLINK_REQUEST_DELETE_NEIGHBOUR, .val.delete_neighbour = it};
    return true;
}

static bool carry_out(const actions *steps, outcomes *ret, failure *failed) {
    op_dbus_plugin_netlink_list_request_t requests = {allocate(steps->len, sizeof *requests.ptr), steps->len};
    op_dbus_plugin_netlink_list_result_void_failure_t answers = {0};
    for (size_t i = 0; i < steps->len; i++) {
        if (!make_request(&steps->ptr[i], &requests.ptr[i], failed)) return false;
    }
    if (steps->len) op_dbus_plugin_netlink_execute(&requests, &answers);
    if (answers.len < steps->len) abort();
    *ret = (outcomes){allocate(steps->len, sizeof *ret->ptr), steps->len};
    for (size_t i = 0; i < steps->len; i++) {
        const action *step = &steps->ptr[i];
        const failure *why = answers.ptr[i].is_err ? &answers.ptr[i].val.err : NULL;
        bool is_delete = step->operation == EXPORTS_OP_DBUS_PLUGIN_STATE_OPERATION_DELETE;
        // It is gone: what was wanted.
        if (why && is_delete && why->code == OP_DBUS_PLUGIN_TYPES_FAILURE_CODE_NOT_FOUND) why = NULL;
        ret->ptr[i] = (outcome){.target = step->target, .summary = step->summary};
        if (why) ret->ptr[i].failed.is_some = true, ret->ptr[i].failed.val = *why;
    }
    return true;
}

bool exports_op_dbus_plugin_state_apply(actions *steps, outcomes *ret, failure *err) { return carry_out(steps, ret, err); }

bool exports_op_dbus_plugin_state_verify(string *desired, exports_op_dbus_plugin_state_list_mismatch_t *ret, failure *err) {
    struct json *section;
    struct entries current;
    if (!read_section(desired, &section, err) || !read_entries(section, &current, err)) return false;
    struct entries wanted = entries_of(section);
    *ret = (exports_op_dbus_plugin_state_list_mismatch_t){allocate(wanted.count, sizeof *ret->ptr), 0};
    for (size_t i = 0; i < wanted.count; i++) {
        const struct entry *place = &wanted.at[i];
        const struct entry *have = entries_find(&current, place), *want = place->has_mac ? place : NULL;
        struct out path = {0}, wish = {0}, fact = {0};
        if (!differ(have, want)) continue;
        out_place(&path, place);
        if (want) out_string(&wish, want->mac);
        else out_text(&wish, TEXT("null"));
        if (have) out_string(&fact, have->mac);
        ret->ptr[ret->len++] = (exports_op_dbus_plugin_state_mismatch_t){
            .path = give(path), .want = give(wish), .have = {have != NULL, give(fact)}};
    }
    return true;
}

// Keeps what was asked for, and what was there.
bool exports_op_dbus_plugin_state_checkpoint(string *maybe_within, exports_op_dbus_plugin_state_checkpoint_data_t *ret, failure *err) {
    struct json *within;
    struct entries found;
    if (!read_section(maybe_within, &within, err) || !read_entries(within, &found, err)) return false;
    struct out out = {0};
    out_text(&out, TEXT("{\"within\":"));
    if (within) out_json(&out, within);
    else out_text(&out, TEXT("null"));
    out_text(&out, TEXT(",\"then\":"));
    out_section(&out, &found);
    out_text(&out, TEXT("}"));
    *ret = (exports_op_dbus_plugin_state_checkpoint_data_t){.state = give(out)};
    return true;
}

bool exports_op_dbus_plugin_state_rollback(exports_op_dbus_plugin_state_checkpoint_data_t *to, outcomes *ret, failure *err) {
    struct entries now;
    struct json *kept = json_parse(seen(to->state));
    struct json *within = json_get(kept, TEXT("within")), *then_section = json_get(kept, TEXT("then"));
    if (within && within->type == JSON_NULL) within = NULL;
    if (!section_is_sound(then_section) || (within && !section_is_sound(within))) return invalid(err, "no checkpoint");
    if (!read_entries(within, &now, err)) return false;
    struct entries wanted = entries_of(then_section);
    size_t then = wanted.count;
    for (size_t i = 0; i < now.count; i++) {
        struct entry gone = {now.at[i].link, now.at[i].address, {0}, false};
        // What has come since goes.
        struct entries before = {wanted.at, then};
        if (!entries_find(&before, &gone)) entries_add(&wanted, gone);
    }
    entries_sort(&wanted);
    actions steps = plan(&now, &wanted);
    return carry_out(&steps, ret, err);
}

bool exports_op_dbus_plugin_state_release(exports_op_dbus_plugin_state_checkpoint_data_t *checkpoint, failure *err) {
    (void)checkpoint, (void)err;
    return true;
}
