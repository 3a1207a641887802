/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cedar-conformance DIR - runs the cases of the public Cedar conformance corpus.
 *
 * DIR is the unpacked archive, or any folder in its format: every *.json below it that holds
 * "requests" is a case, and names its policies, entities and schema relative to DIR. A case
 * passes if its policies, entities and schema can be read, the validator says of the policies
 * what is expected and finds no fault in the entities and requests, and each request is decided
 * as expected: decision, reasons, errors.
 *
 * Prints each failure with what was expected, and last "N passed, M failed", counted in cases.
 * Exit status: 0 all passed; 1 some failed; 2 DIR holds no case or cannot be read.
 */
#include "cedar.h"
#include "json.h"
#include "load.h"
#include "roundtrip.h"

#include <errno.h>
#include <fts.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct test {
    const char *root, *name;
    const struct cedar_json *json;
    struct cedar_str source;
    struct cedar_arena arena;
    struct cedar_names *names;
    struct cedar_schema *schema;
    struct cedar_policies *policies;
    struct cedar_program *program;
    struct cedar_entities *entities;
    void *scratch;
    size_t scratch_size;
    bool failed;
};

static void fail(struct test *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void fail(struct test *t, const char *format, ...)
{
    va_list args;

    t->failed = true;
    printf("FAIL %s: ", t->name);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

/* The whole file, or .ptr NULL. */
static struct cedar_str read_file(struct cedar_arena *arena, const char *path)
{
    struct cedar_str none = {NULL, 0};
    FILE *file = fopen(path, "rbe");
    long size;
    char *text;
    size_t n;

    if (file == NULL)
        return none;
    if (fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0 ||
        (text = cedar_arena_get(arena, (size_t)size + 1)) == NULL) {
        fclose(file);
        return none;
    }
    rewind(file);
    n = fread(text, 1, (size_t)size, file);
    fclose(file);
    return (struct cedar_str){text, n};
}

static struct cedar_str read_named(struct test *t, const char *key, const char **name)
{
    const struct cedar_json *json = cedar_json_get(t->json, key);
    struct cedar_str text;
    char path[4096];

    *name = json != NULL && json->kind == JSON_STRING ? json->string.ptr : "";
    snprintf(path, sizeof(path), "%s/%s", t->root, *name);
    text = read_file(&t->arena, path);
    if (text.ptr == NULL)
        fail(t, "%s cannot be read: %s", path, strerror(errno));
    return text;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && strcmp(s + n - m, end) == 0;
}

static void fail_parse(struct test *t, const char *file, struct cedar_str source,
                       const struct cedar_error *err)
{
    char text[2048];

    cedar_error_render(err, file, source, text, sizeof(text));
    fail(t, "cannot read it\n%s", text);
}

/* ---- what is validated ------------------------------------------------------------ */

struct findings {
    char first[CEDAR_MESSAGE_MAX + 64];
};

static void keep_first(void *ctx, const struct cedar_finding *finding)
{
    struct findings *f = ctx;

    if (finding->severity == CEDAR_FAULT && f->first[0] == '\0')
        snprintf(f->first, sizeof(f->first), "%s: %s",
                 finding->policy_id != NULL ? finding->policy_id : "", finding->at.message);
}

static void check_validity(struct test *t, const char *what, enum cedar_status status,
                           bool expected, bool valid, const struct findings *f,
                           const struct cedar_error *err)
{
    if (status != CEDAR_OK)
        fail(t, "%s cannot be validated: %s", what, err->message);
    else if (valid != expected)
        fail(t, "%s: expected %s, found %s %s", what, expected ? "valid" : "invalid",
             valid ? "valid" : "invalid", f->first);
}

static void check_policies(struct test *t)
{
    const struct cedar_json *expected = cedar_json_get(t->json, "shouldValidate");
    struct findings f = {0};
    struct cedar_error err;
    enum cedar_status status;
    bool valid = false;

    if (expected == NULL || expected->kind != JSON_BOOL)
        return;
    status = cedar_validate_policies(t->schema, t->policies, keep_first, &f, &valid, &err);
    check_validity(t, "policies", status, expected->boolean, valid, &f, &err);
}

static void check_entities(struct test *t)
{
    struct findings f = {0};
    struct cedar_error err;
    enum cedar_status status;
    bool valid = false;

    status = cedar_validate_entities(t->schema, t->entities, keep_first, &f, &valid, &err);
    check_validity(t, "entities", status, true, valid, &f, &err);
}

static void check_request(struct test *t, const struct cedar_json *json,
                          const struct cedar_request *request)
{
    const struct cedar_json *enabled = cedar_json_get(json, "validateRequest");
    struct findings f = {0};
    struct cedar_error err;
    enum cedar_status status;
    bool valid = false;

    if (enabled != NULL && enabled->kind == JSON_BOOL && !enabled->boolean)
        return;
    status = cedar_validate_request(t->schema, request, keep_first, &f, &valid, &err);
    check_validity(t, "request", status, true, valid, &f, &err);
}

/* ---- what is decided -------------------------------------------------------------- */

static bool id_listed(const struct cedar_json *list, const char *id)
{
    for (uint32_t i = 0; i < list->n; i++)
        if (list->items[i].kind == JSON_STRING &&
            cedar_str_eq(list->items[i].string, cedar_str(id)))
            return true;
    return false;
}

/* The ids in order, as text. */
static void put_ids(char *buf, size_t cap, const struct test *t, const uint32_t *ids, uint32_t n)
{
    size_t len = 0;

    buf[0] = '\0';
    for (uint32_t i = 0; i < n && len + 40 < cap; i++)
        len += (size_t)snprintf(buf + len, cap - len, "%s ",
                                cedar_policy_info(t->policies, ids[i]).id);
}

static void check_ids(struct test *t, const char *what, const struct cedar_json *request,
                      const char *key, const uint32_t *ids, uint32_t n)
{
    const struct cedar_json *expected = cedar_json_get(request, key);
    char found[512];
    bool same;

    if (expected == NULL || expected->kind != JSON_ARRAY)
        return;
    same = expected->n == n;
    for (uint32_t i = 0; i < n && same; i++)
        same = id_listed(expected, cedar_policy_info(t->policies, ids[i]).id);
    if (same)
        return;
    put_ids(found, sizeof(found), t, ids, n);
    fail(t, "%s: expected %s %.*s, found %s", what, key,
         (int)(expected->span.end - expected->span.start), t->source.ptr + expected->span.start,
         found);
}

static void check_answer(struct test *t, const char *what, const struct cedar_json *json,
                         const struct cedar_answer *answer)
{
    const struct cedar_json *expected = cedar_json_get(json, "decision");
    const char *found = answer->decision == CEDAR_ALLOW ? "allow" : "deny";
    uint32_t *errors = cedar_arena_get(&t->arena, answer->n_errors * sizeof(*errors));

    if (answer->exhausted)
        fail(t, "%s: exhausted", what);
    if (expected == NULL || expected->kind != JSON_STRING || errors == NULL) {
        fail(t, "%s: no decision is expected", what);
        return;
    }
    if (strcasecmp(expected->string.ptr, found) != 0)
        fail(t, "%s: expected %s, found %s", what, expected->string.ptr, found);
    check_ids(t, what, json, "reason", answer->reasons, answer->n_reasons);
    for (uint32_t i = 0; i < answer->n_errors; i++)
        errors[i] = answer->errors[i].policy;
    check_ids(t, what, json, "errors", errors, answer->n_errors);
}

static void run_request(struct test *t, const struct cedar_json *json, uint32_t index)
{
    const struct cedar_json *description = cedar_json_get(json, "description");
    struct cedar_error err = {0};
    struct cedar_loader loader = {t->names, &t->arena, t->source, &err};
    struct cedar_request request;
    struct cedar_answer answer;
    char what[160];

    snprintf(what, sizeof(what), "request %u (%.100s)", index,
             description != NULL && description->kind == JSON_STRING ? description->string.ptr
                                                                     : "");
    if (cedar_load_request(&loader, json, t->schema, &request) != CEDAR_OK) {
        fail_parse(t, what, t->source, &err);
        return;
    }
    check_request(t, json, &request);
    cedar_decide(t->program, t->entities, &request, t->scratch, t->scratch_size, &answer);
    check_answer(t, what, json, &answer);
}

/* ---- a case ----------------------------------------------------------------------- */

static bool load_schema(struct test *t)
{
    struct cedar_error err = {0};
    const char *name;
    struct cedar_str text = read_named(t, "schema", &name);
    enum cedar_status status;

    if (text.ptr == NULL)
        return false;
    status = ends_with(name, ".json") ? cedar_schema_parse_json(t->names, text, &t->schema, &err)
                                      : cedar_schema_parse(t->names, text, &t->schema, &err);
    if (status != CEDAR_OK)
        fail_parse(t, name, text, &err);
    return status == CEDAR_OK;
}

static bool load_policies(struct test *t)
{
    struct cedar_error err = {0};
    const char *name, *difference;
    struct cedar_str text = read_named(t, "policies", &name);
    enum cedar_status status;

    if (text.ptr == NULL)
        return false;
    status = ends_with(name, ".json")
                 ? cedar_policies_parse_json(t->names, NULL, text, &t->policies, &err)
                 : cedar_policies_parse(t->names, NULL, text, &t->policies, &err);
    if (status == CEDAR_OK)
        status = cedar_compile(t->policies, NULL, &t->program, &err);
    if (status != CEDAR_OK) {
        fail_parse(t, name, text, &err);
        return false;
    }
    difference = roundtrip(t->names, t->policies);
    if (difference != NULL)
        fail(t, "%s is not the same again after %s", name, difference);
    return true;
}

static bool load_entities(struct test *t)
{
    struct cedar_error err = {0};
    const char *name;
    struct cedar_str text = read_named(t, "entities", &name);

    if (text.ptr == NULL)
        return false;
    if (cedar_entities_parse(t->names, NULL, text, t->schema, &t->entities, &err) == CEDAR_OK)
        return true;
    fail_parse(t, name, text, &err);
    return false;
}

static void run_case(struct test *t)
{
    const struct cedar_json *requests = cedar_json_get(t->json, "requests");

    if (!load_schema(t) || !load_policies(t) || !load_entities(t))
        return;
    check_policies(t);
    check_entities(t);
    t->scratch_size = cedar_scratch_size(t->program, 1024);
    t->scratch = cedar_arena_get(&t->arena, t->scratch_size);
    if (t->scratch == NULL) {
        fail(t, "out of memory");
        return;
    }
    for (uint32_t i = 0; i < requests->n; i++)
        run_request(t, &requests->items[i], i);
}

static void end_case(struct test *t)
{
    cedar_entities_free(t->entities);
    cedar_program_free(t->program);
    cedar_policies_free(t->policies);
    cedar_schema_free(t->schema);
    cedar_names_free(t->names);
    cedar_arena_free(&t->arena);
}

struct count {
    unsigned passed, failed;
};

static void run_file(const char *root, const char *path, struct count *count)
{
    struct test t = {.root = root, .name = path + strlen(root) + 1};
    struct cedar_error err = {0};
    struct cedar_json json;
    const struct cedar_json *requests;

    cedar_arena_init(&t.arena, NULL);
    t.names = cedar_names_new(NULL, NULL, 0);
    t.source = read_file(&t.arena, path);
    if (t.names == NULL || t.source.ptr == NULL) {
        fail(&t, "cannot be read: %s", strerror(errno));
        count->failed++;
    } else if (cedar_json_parse(&t.arena, t.source, CEDAR_MAX_JSON, &json, &err) != CEDAR_OK) {
        fail_parse(&t, path, t.source, &err);
        count->failed++;
    } else {
        requests = cedar_json_get(&json, "requests");
        if (requests != NULL && requests->kind == JSON_ARRAY) {
            t.json = &json;
            run_case(&t);
            count->passed += !t.failed;
            count->failed += t.failed;
        }
    }
    end_case(&t);
}

static bool is_case(const FTSENT *entry)
{
    return entry->fts_info == FTS_F && ends_with(entry->fts_name, ".json") &&
           !ends_with(entry->fts_name, ".entities.json") &&
           strstr(entry->fts_path, "/sample-data/") == NULL;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

int main(int argc, char **argv)
{
    struct count count = {0};
    char *roots[2] = {NULL, NULL};
    FTSENT *entry;
    FTS *walk;
    size_t n;

    if (argc != 2) {
        fprintf(stderr, "usage: cedar-conformance DIR\n");
        return 2;
    }
    roots[0] = argv[1];
    for (n = strlen(roots[0]); n > 1 && roots[0][n - 1] == '/'; n--)
        roots[0][n - 1] = '\0';
    walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    if (walk == NULL) {
        fprintf(stderr, "cedar-conformance: %s: %s\n", roots[0], strerror(errno));
        return 2;
    }
    while ((entry = fts_read(walk)) != NULL)
        if (is_case(entry))
            run_file(roots[0], entry->fts_path, &count);
    fts_close(walk);
    printf("%u passed, %u failed\n", count.passed, count.failed);
    if (count.passed + count.failed == 0)
        return 2;
    return count.failed > 0;
}
