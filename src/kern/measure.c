/* SPDX-License-Identifier: Apache-2.0 */
#define OPENSSL_API_COMPAT 10100
#include "kern/measure.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <poll.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool is_known(const struct measured *m, const struct stat *st)
{
    return m->hash[0] != '\0' && m->dev == st->st_dev && m->ino == st->st_ino &&
           m->size == st->st_size && same_time(&m->mtime, &st->st_mtim) &&
           same_time(&m->ctime, &st->st_ctim);
}

/* Can the agent not change what lies here? */
static bool is_fixed(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) == 0 && (fs.f_flags & ST_RDONLY) != 0;
}

/* Of all bytes from here to the end; "" when they cannot be read or are too many. */
static void hash_bytes(int fd, char hash[DIGEST_HEX])
{
    static unsigned char chunk[1u << 18];
    unsigned char digest[DIGEST_SIZE];
    SHA256_CTX c;
    off_t at = 0;
    ssize_t n;

    hash[0] = '\0';
    (void)SHA256_Init(&c);
    while ((n = pread(fd, chunk, sizeof(chunk), at)) > 0) {
        (void)SHA256_Update(&c, chunk, (size_t)n);
        at += n;
        if (at > MEASURE_MAX)
            return;
    }
    (void)SHA256_Final(digest, &c);
    if (n == 0)
        digest_hex(digest, hash);
}

static void remember(struct measures *m, const struct stat *st, const char *hash)
{
    struct measured *to = &m->cache[m->next_cache++ % CACHE_MAX];

    *to = (struct measured){.dev = st->st_dev,
                            .ino = st->st_ino,
                            .size = st->st_size,
                            .mtime = st->st_mtim,
                            .ctime = st->st_ctim};
    memcpy(to->hash, hash, DIGEST_HEX);
}

/* The hash of an open file. */
static void hash_file(struct measures *m, int fd, char hash[DIGEST_HEX])
{
    struct stat st;
    bool fixed = is_fixed(fd);

    hash[0] = '\0';
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > MEASURE_MAX)
        return;
    for (size_t i = 0; fixed && i < CACHE_MAX; i++)
        if (is_known(&m->cache[i], &st)) {
            memcpy(hash, m->cache[i].hash, DIGEST_HEX);
            return;
        }
    hash_bytes(fd, hash);
    if (fixed && hash[0] != '\0')
        remember(m, &st, hash);
}

/* Of what an O_PATH descriptor holds. */
static void hash_object(struct kern *k, int object, char hash[DIGEST_HEX])
{
    AUTO_CLOSE int fd = view_reopen(&k->view, object, O_RDONLY | O_NONBLOCK);

    hash_file(k->measures, fd, hash);
}

/* Interpreters that are told their script by the first argument that is no option. */
static void find_given(struct request *r)
{
    struct exec *x = r->exec;
    struct walker w = request_walker(r);
    int at = parse_given_script(parse_last(str_of(x->file[x->n - 1].path)), x->argv, x->argc);

    if (x->given.fd >= 0 || at < 0 || x->argv[at].n >= PATH_MAX)
        return;
    int fd = resolve_object(&w, AT_FDCWD, x->argv[at].p, 0, 0);
    if (fd < 0 || fstat(fd, &x->given.st) != 0 || !S_ISREG(x->given.st.st_mode)) {
        mem_auto_close(&fd);
        return;
    }
    x->given.fd = fd;
    x->given.named = arena_strndup(&r->arena, x->argv[at].p, x->argv[at].n);
}

static void measure(struct request *r)
{
    struct exec *x = r->exec;

    if (x->measured)
        return;
    x->measured = true;
    if (x->n == 1)
        find_given(r);
    for (size_t i = 0; i < x->n; i++)
        hash_object(r->kern, x->file[i].fd, x->file[i].hash);
    if (x->given.fd >= 0)
        hash_object(r->kern, x->given.fd, x->given.hash);
}

/* The script of the action: itself one of a chain, or the first of it, or what argv names. */
static const struct exec_file *script_of(const struct exec *x, const struct action *a)
{
    for (size_t i = 0; i + 1 < x->n; i++)
        if (str_is(a->resource, x->file[i].path))
            return &x->file[i];
    if (x->n > 1)
        return &x->file[0];
    return x->given.fd >= 0 ? &x->given : NULL;
}

void measure_checks(struct request *r, struct action *checks, size_t n)
{
    const struct exec *x = r->exec;

    measure(r);
    for (size_t i = 0; i < n; i++) {
        struct action *a = &checks[i];
        bool loaded = str_is(a->field[FIELD_OP].str, "loader");
        const struct exec_file *script = loaded ? NULL : script_of(x, a);

        action_str(a, FIELD_SHA256, str_of(loaded ? x->given.hash : x->file[x->n - 1].hash));
        if (script != NULL)
            action_str(a, FIELD_SCRIPT_SHA256, str_of(script->hash));
    }
}

/* Is somebody about to write to it? A read lease is only given where nobody is; where none can be
 * had (another's file, a network's) nothing is known. */
static bool is_being_written(int fd)
{
    if (fcntl(fd, F_SETLEASE, F_RDLCK) != 0)
        return errno == EAGAIN;
    return false;
}

/* The file that the name leads to now is the one that was measured, with its content. */
static const char *compare_script(struct request *r, const struct exec_file *f, pid_t pid)
{
    struct kern *k = r->kern;
    struct walker w = {.view = &k->view, .tid = pid, .ids = &r->who};
    char hash[DIGEST_HEX];
    struct stat st;
    AUTO_CLOSE int object = resolve_object(&w, AT_FDCWD, f->named, 0, 0);
    AUTO_CLOSE int fd = object < 0 ? -1 : view_reopen(&k->view, object, O_RDONLY | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &st) != 0 || st.st_dev != f->st.st_dev || st.st_ino != f->st.st_ino)
        return "killed: another script stands where the one was that was judged";
    /* The lease ends with the descriptor. */
    if (!is_fixed(fd) && is_being_written(fd))
        return "killed: the script is open for writing";
    hash_file(k->measures, fd, hash);
    return strcmp(hash, f->hash) == 0 ? NULL : "killed: the script was changed after it was judged";
}

static void hold(struct kern *k, const struct exec_file *f, pid_t pid)
{
    struct hold *h = &k->measures->holds[k->measures->next_hold++ % HOLDS_MAX];
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

    if (pidfd < 0)
        return;
    if (h->used)
        (void)close(h->pidfd);
    *h = (struct hold){.dev = f->st.st_dev, .ino = f->st.st_ino, .pidfd = pidfd, .used = true};
}

/* The file that is executed can be opened without a name. */
static bool program_is_same(struct request *r, pid_t pid)
{
    char hash[DIGEST_HEX];
    AUTO_CLOSE int fd = tracee_open(r->kern->view.proc, pid, "exe", O_RDONLY);

    hash_file(r->kern->measures, fd, hash);
    return strcmp(hash, r->exec->file[r->exec->n - 1].hash) == 0;
}

const char *measure_difference(struct request *r, pid_t pid)
{
    struct exec *x = r->exec;
    const char *why = NULL;

    if (!x->measured)
        return NULL;
    if (!program_is_same(r, pid))
        return "killed: the program was changed after it was judged";
    for (size_t i = 0; why == NULL && i + 1 < x->n; i++)
        why = compare_script(r, &x->file[i], pid);
    if (why == NULL && x->given.fd >= 0)
        why = compare_script(r, &x->given, pid);
    if (why != NULL)
        return why;
    for (size_t i = 0; i + 1 < x->n; i++)
        hold(r->kern, &x->file[i], pid);
    if (x->given.fd >= 0)
        hold(r->kern, &x->given, pid);
    return NULL;
}

static bool has_ended(int pidfd)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

bool measure_holds(struct kern *k, const struct stat *st)
{
    for (size_t i = 0; i < HOLDS_MAX; i++) {
        struct hold *h = &k->measures->holds[i];

        if (!h->used || h->dev != st->st_dev || h->ino != st->st_ino)
            continue;
        if (!has_ended(h->pidfd))
            return true;
        (void)close(h->pidfd);
        h->used = false;
    }
    return false;
}

void measures_close(struct measures *m)
{
    for (size_t i = 0; i < HOLDS_MAX; i++)
        if (m->holds[i].used)
            (void)close(m->holds[i].pidfd);
}
