/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/undo.h"

#include "policy/undo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHUNK (1u << 20)

bool undo_open(struct undo *u, const struct kern_config *c)
{
    *u = (struct undo){.left = c->undo_bytes, .files = c->undo_files};
    if (c->undo_files == 0)
        return true;
    for (u->slots = 16; u->slots < 2 * c->undo_files; u->slots *= 2)
        ;
    u->seen = xcalloc(u->slots, sizeof(*u->seen));
    return getrandom(u->seed, sizeof(u->seed), 0) == (ssize_t)sizeof(u->seed);
}

void undo_close(struct undo *u)
{
    free(u->seen);
    u->seen = NULL;
}

/* Keyed, so that an agent cannot choose two paths with one hash: one would go without a copy. */
static uint64_t hash(const struct undo *u, const char *path)
{
    uint64_t h = u->seed[0];

    for (const unsigned char *p = (const unsigned char *)path; *p != '\0'; p++) {
        h = (h ^ *p) * 0x9e3779b97f4a7c15ull;
        h ^= (h >> 29) ^ u->seed[1];
    }
    return h != 0 ? h : 1;
}

static uint64_t *slot_of(struct undo *u, uint64_t h)
{
    size_t at = (size_t)h & (u->slots - 1);

    while (u->seen[at] != 0 && u->seen[at] != h)
        at = (at + 1) & (u->slots - 1);
    return &u->seen[at];
}

void undo_wanted(struct request *r, size_t i, uint64_t event)
{
    if (r->kern->config.undo_files == 0 || r->checks[i].kind != RESOURCE_FILE)
        return;
    if (r->undo == NULL)
        r->undo = arena_alloc(&r->arena, r->nchecks * sizeof(*r->undo));
    r->undo[i] = event != 0 ? event : 1;
}

/* What one path held. */
struct holding {
    const char *path;
    int object; /* O_PATH, -1: nothing */
    struct stat st;
    dev_t dev;
    bool own; /* object is to be closed */
};

static int64_t round_up(int64_t n)
{
    return (n + UNDO_BLOCK - 1) / UNDO_BLOCK * UNDO_BLOCK;
}

static int copy_data(int from, int to, off_t at, off_t end, off_t shift)
{
    while (at < end) {
        off_t in = at, out = at + shift;
        size_t want = end - at < (off_t)CHUNK ? (size_t)(end - at) : CHUNK;
        ssize_t n = copy_file_range(from, &in, to, &out, want, 0);

        if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP)) {
            static char buffer[65536];
            n = pread(from, buffer, want < sizeof(buffer) ? want : sizeof(buffer), at);
            if (n > 0 && pwrite(to, buffer, (size_t)n, at + shift) != n)
                return -EIO;
        }
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0; /* it became shorter just now */
        at += n;
    }
    return 0;
}

/* A file's content, hole for hole, to `to` in the file of copies. */
static int copy_file(struct kern *k, const struct holding *h, off_t to)
{
    struct undo *u = k->undo;
    AUTO_CLOSE int from = view_reopen(&k->view, h->object, O_RDONLY | O_NONBLOCK);

    if (from < 0)
        return from;
    for (off_t at = 0; at < h->st.st_size;) {
        off_t data = lseek(from, at, SEEK_DATA);
        if (data < 0 || data >= h->st.st_size)
            return data < 0 && errno != ENXIO ? -errno : 0;
        off_t hole = lseek(from, data, SEEK_HOLE);
        if (hole <= data || hole > h->st.st_size)
            hole = h->st.st_size;
        if ((uint64_t)(hole - data) > u->left)
            return -EDQUOT;
        int error = copy_data(from, k->config.undo, data, hole, to);
        if (error != 0)
            return error;
        u->left -= (uint64_t)(hole - data);
        at = hole;
    }
    return 0;
}

static int copy_link(struct kern *k, const struct holding *h, off_t to, int64_t *size)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(h->object, "", target, sizeof(target));

    if (n < 0)
        return -errno;
    *size = n;
    return pwrite(k->config.undo, target, (size_t)n, to) == n ? 0 : -EIO;
}

static int write_head(struct kern *k, const struct undo_head *head, const char *path)
{
    if (pwrite(k->config.undo, path, head->path, k->undo->next + (off_t)sizeof(*head)) !=
            (ssize_t)head->path ||
        pwrite(k->config.undo, head, sizeof(*head), k->undo->next) != (ssize_t)sizeof(*head))
        return -EIO;
    return 0;
}

static int add_entry(struct kern *k, const struct holding *h, uint64_t event)
{
    struct undo *u = k->undo;
    struct undo_head head = {
        .magic = UNDO_MAGIC, .event = event, .dev = h->dev, .path = (uint32_t)strlen(h->path)};
    int64_t content = u->next + round_up((int64_t)sizeof(head) + head.path);
    int error = 0;

    if (h->object >= 0) {
        head.mode = h->st.st_mode;
        head.uid = h->st.st_uid;
        head.gid = h->st.st_gid;
        head.mtime = h->st.st_mtim.tv_sec;
        head.mtime_ns = h->st.st_mtim.tv_nsec;
    }
    if (h->object >= 0 && S_ISREG(head.mode)) {
        head.size = h->st.st_size;
        if (head.size > UNDO_SIZE_MAX || content + head.size > UNDO_TOTAL_MAX)
            return -EDQUOT;
        error = copy_file(k, h, content);
    } else if (h->object >= 0 && S_ISLNK(head.mode)) {
        error = copy_link(k, h, content, &head.size);
    }
    if (error == 0)
        error = write_head(k, &head, h->path);
    if (error == 0)
        u->next = content + round_up(head.size);
    return error;
}

static dev_t dev_of(int fd)
{
    struct stat st;

    return fd >= 0 && fstat(fd, &st) == 0 ? st.st_dev : 0;
}

static bool is_at(const struct place *p, const char *path)
{
    return p->path[0] != '\0' && strcmp(p->path, path) == 0;
}

/* What the path means in this request: a place that is held, or something in a folder that is. */
static bool find(const struct request *r, const char *path, struct holding *h)
{
    struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
                           .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    const struct place *p = is_at(&r->at, path) ? &r->at : is_at(&r->to, path) ? &r->to : NULL;

    *h = (struct holding){.path = path, .object = -1};
    if (p != NULL) {
        h->object = p->object;
        h->st = p->st;
        h->dev = p->object >= 0 ? p->st.st_dev : dev_of(p->parent);
        return true;
    }
    h->object = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
    h->own = h->object >= 0;
    if (h->object >= 0 && fstat(h->object, &h->st) != 0)
        return false;
    h->dev =
        h->object >= 0 ? h->st.st_dev : dev_of(r->to.parent >= 0 ? r->to.parent : r->at.parent);
    return h->object >= 0 || errno == ENOENT;
}

static int take_one(struct request *r, const char *path, uint64_t event)
{
    struct undo *u = r->kern->undo;
    uint64_t h = hash(u, path), *slot = slot_of(u, h);
    struct holding held;

    if (*slot != 0)
        return 0;
    if (u->used >= u->files)
        return -EDQUOT;
    int error = find(r, path, &held) ? add_entry(r->kern, &held, event) : -EACCES;
    if (held.own)
        (void)close(held.object);
    if (error != 0)
        return error;
    *slot = h;
    u->used++;
    return 0;
}

/* Between two looks that find every path still leading to what is held, it was that all along. */
static bool moved(const struct request *r)
{
    const struct view *v = &r->kern->view;

    return (r->at.path[0] != '\0' && !r->at.dots && !place_unmoved(v, &r->at)) ||
           (r->to.path[0] != '\0' && !r->to.dots && !place_unmoved(v, &r->to));
}

int undo_take(struct request *r)
{
    if (r->undo == NULL || moved(r))
        return 0; /* moved: the call is prepared and judged afresh */
    for (size_t i = 0; i < r->nchecks; i++) {
        const struct action *a = &r->checks[i];
        char path[PATH_MAX];

        if (r->undo[i] == 0 || (a->has[FIELD_OP] && str_is(a->field[FIELD_OP].str, "tmpfile")) ||
            a->resource.n >= sizeof(path))
            continue;
        memcpy(path, a->resource.p, a->resource.n);
        path[a->resource.n] = '\0';
        int error = take_one(r, path, r->undo[i]);
        if (error != 0) {
            request_note(r, error == -EDQUOT
                                ? "no copy for undo: undo.bytes or undo.files is used up"
                                : "no copy for undo could be taken");
            return error;
        }
    }
    r->undo = NULL;
    return 0;
}
