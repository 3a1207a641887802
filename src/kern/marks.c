/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/marks.h"

#include "detect/detect.h"
#include "kern/ask.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Files whose marks were told lately and that have not changed since. */
static struct told {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec changed;
} told[64];
static unsigned turn;

static bool is_known(const struct stat *st)
{
    for (size_t i = 0; i < ARRAY_LEN(told); i++)
        if (told[i].dev == st->st_dev && told[i].ino == st->st_ino && told[i].size == st->st_size &&
            told[i].changed.tv_sec == st->st_ctim.tv_sec &&
            told[i].changed.tv_nsec == st->st_ctim.tv_nsec)
            return true;
    return false;
}

static void remember(const struct stat *st)
{
    told[turn++ % ARRAY_LEN(told)] = (struct told){
        .dev = st->st_dev, .ino = st->st_ino, .size = st->st_size, .changed = st->st_ctim};
}

/* The beginning of the file, without moving the position that the task will read from. */
static size_t read_content(int fd, unsigned char *p, size_t max)
{
    size_t n = 0;
    ssize_t k;

    while (n < max && (k = pread(fd, p + n, max - n, (off_t)n)) > 0)
        n += (size_t)k;
    return n;
}

bool marks_tell(struct request *r, int fd)
{
    static unsigned char content[MARKS_CONTENT];
    static uint64_t marks[MARKS_MAX];
    struct stat st;
    size_t n;

    if (r->mark == 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || is_known(&st))
        return true;
    n = read_content(fd, content, sizeof(content));
    size_t count = detect_marks_of(content, n, marks, MARKS_MAX);
    explicit_bzero(content, n);
    if (count > 0 && !ask_marks(r, marks, count))
        return false;
    remember(&st);
    return true;
}
