/* SPDX-License-Identifier: Apache-2.0 */
/* Placeholders are found wherever they are, values go where they belong and nowhere else. */
#include "unit.h"

#include "base/mem.h"
#include "gate/creds.h"
#include "gate/creds_basic.h"
#include "gate/vault.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEY   "sk-ant-api03-REALREALREALREALREALREALREALREALREALREALREALREAL-AA"
#define TOKEN "ghp_realrealrealrealrealrealrealrealreal"

static struct err problem;
static char key[VAULT_PLACEHOLDER_MAX + 1], token[VAULT_PLACEHOLDER_MAX + 1];

static struct secret secret_of(const char *name, const char *value, const char *header,
                               const char *format, const char *place)
{
    struct secret s = {.name = str_of(name),
                       .value = str_of(value),
                       .header = str_of(header),
                       .format = str_of(format),
                       .nplaces = 1};

    if (!place_read(str_of(place), &s.place[0]))
        abort();
    return s;
}

static struct vault *filled(void)
{
    struct secret a = secret_of("anthropic", KEY, "x-api-key", "%s", "api.anthropic.com/v1/*");
    struct secret b = secret_of("github", TOKEN, "authorization", "Bearer %s", "*.github.com");
    struct vault *v = vault_new(&problem);

    a.only = true;
    if (v == NULL || !vault_add(v, &a, &problem) || !vault_add(v, &b, &problem))
        abort();
    snprintf(key, sizeof(key), "%.*s", (int)v->secret[0].placeholder.n, v->secret[0].placeholder.p);
    snprintf(token, sizeof(token), "%.*s", (int)v->secret[1].placeholder.n,
             v->secret[1].placeholder.p);
    return v;
}

static struct creds *creds(void)
{
    struct vault *v = filled();
    AUTO_CLOSE int fd = vault_seal(v, &problem);

    vault_free(v);
    return creds_load(fd, &problem);
}

TEST(a_placeholder_looks_like_the_value_and_is_not)
{
    struct vault *v = filled();

    CHECK(strlen(key) == strlen(KEY) && strncmp(key, "sk-ant-api03-belay", 18) == 0);
    CHECK(strncmp(token, "ghp_belay", 9) == 0);
    CHECK(strstr(key, "REAL") == NULL && strstr(token, "real") == NULL);
    CHECK_STR(vault_holds_value(v, STR("x" KEY "y")), "anthropic");
    CHECK(vault_holds_value(v, str_of(key)) == NULL);
    vault_free(v);
    struct vault *w = filled();
    CHECK(memcmp(w->core.p + 5, key + 18, 8) == 0);
    vault_free(w);
}

TEST(bad_values_are_refused)
{
    static const char *const bad[] = {"", "a b", "a\nb", "a\r\nx: y", "\x80"};
    struct vault *v = vault_new(&problem);

    CHECK(v != NULL);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct secret s = secret_of("x", bad[i], "x-key", "%s", "a.example");

        CHECK(!vault_add(v, &s, &problem));
        CHECK(strstr(problem.text, "credential x") != NULL);
    }
    vault_free(v);
}

TEST(places_are_read_and_matched)
{
    static const char *const bad[] = {
        "",      "/x", "A.example", "a.example:0", "a:x",           "a.example:99999",
        "*.com", "*",  ".a",        "a b",         "a.example/x?y", "a.example/ "};
    static const struct {
        const char *place, *host, *path;
        int port;
        bool fits;
    } cases[] = {
        {"a.example", "a.example", "/", 443, true},
        {"a.example", "a.example", "/x/y", 443, true},
        {"a.example", "b.a.example", "/", 443, false},
        {"a.example", "a.example", "/", 80, false},
        {"a.example:80", "a.example", "/", 80, true},
        {"*.a.example", "b.a.example", "/", 443, true},
        {"*.a.example", "a.example", "/", 443, false},
        {"*.a.example", "ba.example", "/", 443, false},
        {"a.example/v1/*", "a.example", "/v1/m", 443, true},
        {"a.example/v1/*", "a.example", "/v2/m", 443, false},
        {"a.example/v1/*", "a.example", "/v1", 443, false},
        {"a.example/*/m*s/x", "a.example", "/a/b/mess/x", 443, true},
        {"a.example/*/m*s/x", "a.example", "/a/b/mess/y", 443, false},
        {"a.example/", "a.example", "/", 443, true},
        {"a.example/", "a.example", "/x", 443, false},
    };
    struct place p;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        CHECK(!place_read(str_of(bad[i]), &p));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        printf("# %s %s%s\n", cases[i].place, cases[i].host, cases[i].path);
        CHECK(place_read(str_of(cases[i].place), &p));
        CHECK(place_fits(&p, str_of(cases[i].host), (uint16_t)cases[i].port,
                               str_of(cases[i].path)) == cases[i].fits);
    }
}

TEST(the_file_is_wiped_when_it_is_read)
{
    struct vault *v = filled(), *w;
    AUTO_CLOSE int fd = vault_seal(v, &problem);
    struct stat st;

    CHECK(fd >= 0);
    w = vault_open(fd, &problem);
    CHECK(w != NULL && w->n == v->n);
    CHECK(str_eq(w->secret[0].value, str_of(KEY)) && str_eq(w->core, v->core));
    CHECK(w->secret[0].only && !w->secret[1].only && w->secret[1].place[0].below);
    CHECK(fstat(fd, &st) == 0 && st.st_size == 0);
    CHECK(vault_open(fd, &problem) == NULL);
    vault_free(v);
    vault_free(w);
}

/* The lines of smaps for the mapping that holds `p`; is `flag` among its flags? */
static bool has_flag(const char *p, const char *flag)
{
    FILE *f = fopen("/proc/self/smaps", "re");
    char line[512];
    bool here = false, found = false;

    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        unsigned long from, to;

        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            here = (unsigned long)p >= from && (unsigned long)p < to;
        else if (here && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, flag) != NULL;
    }
    if (f != NULL)
        (void)fclose(f);
    return found;
}

TEST(values_are_in_no_dump_and_no_child)
{
    struct vault *v = filled();
    int status = 0;

    CHECK(has_flag(v->pages, " dd")); /* VM_DONTDUMP */
    CHECK(has_flag(v->pages, " wf")); /* VM_WIPEONFORK */
    pid_t child = fork();
    if (child == 0)
        _exit(v->pages[0] == '\0' && v->secret[0].value.p[0] == '\0' ? 0 : 1);
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    CHECK(v->pages[0] == 'b');
    vault_free(v);
}

TEST(a_damaged_file_is_refused)
{
    struct vault *v = filled();
    AUTO_CLOSE int whole = vault_seal(v, &problem);
    static char bytes[1 << 20];
    ssize_t n = pread(whole, bytes, sizeof(bytes), 0);

    vault_free(v);
    CHECK(n > 0 && n < (ssize_t)sizeof(bytes));
    for (ssize_t i = 0; i < n; i += i < 4096 ? 1 : 997) {
        AUTO_CLOSE int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        char was = bytes[i];

        CHECK(fd >= 0);
        bytes[i] = (char)(was ^ 0xff);
        CHECK(write(fd, bytes, (size_t)n) == n);
        bytes[i] = was;
        v = vault_open(fd, &problem); /* no crash; what it gives lies within its pages */
        for (size_t k = 0; v != NULL && k < v->n; k++)
            CHECK(v->secret[k].value.p >= v->pages &&
                  v->secret[k].value.p + v->secret[k].value.n < v->pages + VAULT_SIZE);
        vault_free(v);
    }
}

/* ---- heads -------------------------------------------------------------------------------- */

static struct http_field fields[8];

static struct http_head head_of(const char *target, size_t n)
{
    return (struct http_head){.method = STR("POST"),
                              .scheme = STR("https"),
                              .authority = STR("api.anthropic.com"),
                              .target = str_of(target),
                              .fields = fields,
                              .nfields = n};
}

static struct creds_place place_of(const char *host, const char *path)
{
    return (struct creds_place){str_of(host), 443, true, str_of(path)};
}

static const struct creds_finding *scan(const struct creds *c, const char *host, const char *path,
                                        const char *name, const char *value)
{
    static struct creds_finding f;
    struct creds_place to = place_of(host, path);

    fields[0] = (struct http_field){str_of(name), str_of(value)};
    struct http_head h = head_of(path, 1);
    creds_scan_head(c, &to, &h, &f);
    return &f;
}

TEST(a_placeholder_is_found_wherever_it_is)
{
    struct creds *c = creds();
    CHECK(c != NULL);
    AUTO_FREE char *url = xasprintf("/v1/x?a=%s", key), *bearer = xasprintf("Bearer %s", token);
    static const char anthropic[] = "api.anthropic.com";

    CHECK_STR(scan(c, anthropic, "/v1/messages", "x-api-key", key)->name, "anthropic");
    CHECK(scan(c, anthropic, "/v1/messages", "x-api-key", key)->refused == NULL);
    CHECK(scan(c, anthropic, "/v1/messages", "x-other", key)->misplaced);
    CHECK(scan(c, anthropic, "/v2/messages", "x-api-key", key)->misplaced);
    CHECK(scan(c, "evil.example", "/v1/messages", "x-api-key", key)->misplaced);
    CHECK(scan(c, anthropic, url, "x", "y")->misplaced);
    CHECK(scan(c, anthropic, "/v1/x", key, "y")->misplaced);
    CHECK(scan(c, anthropic, "/v1/x", "cookie", key)->misplaced);
    CHECK_STR(scan(c, "api.github.com", "/user", "authorization", bearer)->name, "github");
    CHECK(scan(c, "github.com", "/user", "authorization", bearer)->misplaced);
    CHECK(strstr(scan(c, "a.example", "/", "x", token)->refused, "credential github") != NULL);
    creds_free(c);
}

TEST(a_value_never_goes_in_clear)
{
    struct creds *c = creds();
    struct creds_place to = {STR("api.anthropic.com"), 443, false, STR("/v1/x")};
    struct creds_finding f;
    struct creds_head out;
    const char *why;

    fields[0] = (struct http_field){STR("x-api-key"), str_of(key)};
    struct http_head h = head_of("/v1/x", 1);
    creds_scan_head(c, &to, &h, &f);
    CHECK(f.misplaced);
    CHECK(creds_inject(c, &to, STR(""), &h, &out, &why) && out.bytes == NULL);
    CHECK(!creds_inject(c, &to, STR("anthropic"), &h, &out, &why));
    creds_free(c);
}

TEST(somebody_elses_credential_is_foreign)
{
    struct creds *c = creds();
    static const char *const names[] = {"authorization", "x-api-key", "api-key", "x-goog-api-key"};

    CHECK(c != NULL);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        CHECK_STR(scan(NULL, "a.example", "/", names[i], "x")->name, "foreign");
        CHECK(scan(NULL, "a.example", "/", names[i], "x")->refused == NULL);
        /* the setting `only` */
        CHECK(scan(c, "api.anthropic.com", "/v9/any", names[i], "x")->refused != NULL);
        CHECK(!scan(c, "api.anthropic.com", "/v9/any", names[i], "x")->misplaced);
        CHECK(scan(c, "api.github.com", "/", names[i], "x")->refused == NULL);
    }
    CHECK_STR(scan(c, "a.example", "/x?key=abc", "accept", "x")->name, "foreign");
    CHECK_STR(scan(c, "a.example", "/x?b=1&API_KEY=abc&c", "accept", "x")->name, "foreign");
    CHECK_STR(scan(c, "a.example", "/x?monkey=abc&key=&key", "accept", "x")->name, "");
    CHECK_STR(scan(c, "a.example", "/x", "accept", "x")->name, "");
    /* one's own beside another's: the other counts */
    struct creds_place to = place_of("api.anthropic.com", "/v1/x");
    struct creds_finding f;
    fields[0] = (struct http_field){STR("x-api-key"), str_of(key)};
    fields[1] = (struct http_field){STR("authorization"), STR("Bearer stolen")};
    struct http_head h = head_of("/v1/x", 2);
    creds_scan_head(c, &to, &h, &f);
    CHECK_STR(f.name, "foreign");
    CHECK(f.refused != NULL);
    creds_free(c);
}

static struct str value_of(const struct http_head *h, const char *name)
{
    for (size_t i = 0; i < h->nfields; i++)
        if (str_is(h->fields[i].name, name))
            return h->fields[i].value;
    return (struct str){"", 0};
}

static bool sent(const struct creds *c, struct creds_place to, const char *inject, size_t nfields,
                 const char *name, const char *value)
{
    struct http_head h = head_of("/v1/x", nfields);
    struct creds_head out;
    const char *why;
    bool good = creds_inject(c, &to, str_of(inject), &h, &out, &why);
    struct str got = good ? value_of(&out.head, name) : (struct str){"", 0};

    if (!str_is(got, value))
        printf("# %.*s\n", (int)got.n, got.p);
    good = good && str_is(got, value);
    creds_head_wipe(&out);
    return good;
}

TEST(values_go_in_where_they_belong)
{
    struct creds *c = creds();
    struct creds_place here = place_of("api.anthropic.com", "/v1/x");
    struct creds_place hub = place_of("api.github.com", "/x"), other = place_of("a.example", "/");
    AUTO_FREE char *twice = xasprintf("%s,%s", key, key), *bearer = xasprintf("token %s", token);

    fields[0] = (struct http_field){STR("x-api-key"), str_of(key)};
    fields[1] = (struct http_field){STR("accept"), STR("*/*")};
    CHECK(sent(c, here, "", 2, "x-api-key", KEY));
    CHECK(sent(c, here, "", 2, "accept", "*/*"));
    CHECK(sent(c, here, "anthropic", 2, "x-api-key", KEY));
    CHECK(
        sent(c, other, "", 2, "x-api-key", key)); /* the caller refuses it: the value stays here */
    CHECK(!sent(c, other, "anthropic", 2, "x-api-key", KEY));
    CHECK(!sent(c, here, "nobody", 2, "x-api-key", KEY));
    fields[0].value = str_of(twice);
    CHECK(sent(c, here, "", 2, "x-api-key", KEY "," KEY));
    /* put in although the agent sent none, or another's */
    CHECK(sent(c, hub, "github", 0, "authorization", "Bearer " TOKEN));
    fields[0] = (struct http_field){STR("authorization"), STR("Bearer stolen")};
    CHECK(sent(c, hub, "github", 1, "authorization", "Bearer " TOKEN));
    CHECK(sent(c, hub, "", 1, "authorization", "Bearer stolen"));
    /* the client's own form is kept */
    fields[0].value = str_of(bearer);
    CHECK(sent(c, hub, "github", 1, "authorization", "token " TOKEN));
    creds_free(c);
}

TEST(git_sends_it_as_a_password)
{
    struct creds *c = creds();
    char coded[1024] = "", real[1024] = "", plain[CREDS_BASIC_MAX];
    AUTO_FREE char *user = xasprintf("x-access-token:%s", token);
    struct str got;

    (void)creds_basic_encode(str_of(user), coded);
    (void)creds_basic_encode(STR("x-access-token:" TOKEN), real);
    CHECK(creds_basic_decode(str_of(coded), plain, &got) && str_is(got, user));
    CHECK_STR(scan(c, "api.github.com", "/x", "authorization", coded)->name, "github");
    CHECK(scan(c, "a.example", "/x", "authorization", coded)->misplaced);
    fields[0] = (struct http_field){STR("authorization"), str_of(coded)};
    CHECK(sent(c, place_of("api.github.com", "/x"), "", 1, "authorization", real));
    creds_free(c);
}

TEST(basic_is_read_as_rfc_7617_has_it)
{
    static const struct {
        const char *value, *user;
    } cases[] = {{"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin:open sesame"},
                 {"basic YTpi", "a:b"},
                 {"Basic YTpiYw==", "a:bc"},
                 {"Basic YTpiYw", "a:bc"},
                 {"Basic ", NULL},
                 {"Basic !!!!", NULL},
                 {"Bearer YTpi", NULL}};
    char plain[CREDS_BASIC_MAX];
    struct str user;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        bool is = creds_basic_decode(str_of(cases[i].value), plain, &user);

        CHECK(is == (cases[i].user != NULL));
        CHECK(!is || str_is(user, cases[i].user));
    }
}

/* ---- bodies ------------------------------------------------------------------------------ */

TEST(a_body_is_searched_across_its_pieces)
{
    struct creds *c = creds();
    AUTO_FREE char *body =
        xasprintf("{\"a\": \"belay belaybelay\", \"k\": \"%s\"} and more", token);
    size_t n = strlen(body);

    CHECK(c != NULL);
    for (size_t piece = 1; piece <= n; piece++) {
        struct creds_body_state s = {.n = 0};
        const char *found = NULL;

        for (size_t at = 0; at < n; at += piece) {
            const char *name = creds_scan_body(c, &s, body + at, piece < n - at ? piece : n - at);

            found = found == NULL ? name : found;
        }
        CHECK_STR(found, "github");
    }
    struct creds_body_state s = {.n = 0};
    CHECK(creds_scan_body(c, &s, "belaybelaybelay", 15) == NULL);
    CHECK(creds_scan_body(NULL, &s, body, n) == NULL);
    creds_free(c);
}

TEST(a_body_may_hold_it_where_it_is_worth_nothing)
{
    struct creds *c = creds();
    struct creds_place here = place_of("api.anthropic.com", "/v1/x"),
                       other = place_of("a.example", "/");

    CHECK(creds_body(c, "anthropic", &here, true) == CREDS_BODY_PASS);
    CHECK(creds_body(c, "github", &here, true) == CREDS_BODY_ALERT);
    CHECK(creds_body(c, "github", &here, false) == CREDS_BODY_REFUSE);
    CHECK(creds_body(c, "anthropic", &other, false) == CREDS_BODY_REFUSE);
    creds_free(c);
}

UNIT_MAIN(UNIT(a_placeholder_looks_like_the_value_and_is_not), UNIT(bad_values_are_refused),
          UNIT(places_are_read_and_matched), UNIT(the_file_is_wiped_when_it_is_read),
          UNIT(values_are_in_no_dump_and_no_child), UNIT(a_damaged_file_is_refused),
          UNIT(a_placeholder_is_found_wherever_it_is), UNIT(a_value_never_goes_in_clear),
          UNIT(somebody_elses_credential_is_foreign), UNIT(values_go_in_where_they_belong),
          UNIT(git_sends_it_as_a_password), UNIT(basic_is_read_as_rfc_7617_has_it),
          UNIT(a_body_is_searched_across_its_pieces),
          UNIT(a_body_may_hold_it_where_it_is_worth_nothing))
