/* SPDX-License-Identifier: Apache-2.0 */
#include "stage/sig.h"

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

struct sig sig_of(const struct stat *st)
{
    return (struct sig){st->st_ino, st->st_size, st->st_mtim, st->st_ctim};
}

bool sig_same_moved(const struct sig *a, const struct sig *b)
{
    return a->ino == b->ino && a->size == b->size && same_time(a->mtime, b->mtime);
}

bool sig_same(const struct sig *a, const struct sig *b)
{
    return sig_same_moved(a, b) && same_time(a->ctime, b->ctime);
}

bool time_before(struct timespec a, struct timespec b)
{
    return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}
