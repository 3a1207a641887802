/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile.c - run while belay is built: compiles the triggers of patterns.def and prints the
 * database as C, so that a session does not pay for it.
 *
 * The database is made for the least processor of the architecture, so that the program built runs
 * on all of them; the engine picks faster code for the processor that it finds itself on.
 */
#include <hs/hs.h>
#include <stdio.h>
#include <stdlib.h>

#define X(name, set, edges, back, trigger, width, rest, how, unseen) trigger,
static const char *const triggers[] = {
#include "detect/patterns.def"
};
#undef X

#define COUNT (sizeof(triggers) / sizeof(triggers[0]))

static hs_database_t *compile(void)
{
    static const hs_platform_info_t least = {.tune = HS_TUNE_FAMILY_GENERIC};
    unsigned flags[COUNT], ids[COUNT];
    hs_database_t *db = NULL;
    hs_compile_error_t *e = NULL;

    for (unsigned i = 0; i < COUNT; i++) {
        flags[i] = 0;
        ids[i] = i;
    }
    if (hs_compile_multi(triggers, flags, ids, COUNT, HS_MODE_STREAM, &least, &db, &e) ==
        HS_SUCCESS)
        return db;
    fprintf(stderr, "patterns.def: %s: %s\n",
            e->expression >= 0 ? triggers[e->expression] : "all rows", e->message);
    hs_free_compile_error(e);
    return NULL;
}

int main(void)
{
    hs_database_t *db = compile();
    char *bytes = NULL;
    size_t n = 0;

    if (db == NULL || hs_serialize_database(db, &bytes, &n) != HS_SUCCESS)
        return 1;
    printf("#include \"detect/database.h\"\n\nconst unsigned char detect_database[%zu] = {", n);
    for (size_t i = 0; i < n; i++)
        printf("%s%u,", i % 24 == 0 ? "\n" : "", (unsigned char)bytes[i]);
    printf("\n};\nconst size_t detect_database_size = %zu;\n", n);
    free(bytes);
    hs_free_database(db);
    return 0;
}
