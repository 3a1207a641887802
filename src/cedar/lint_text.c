/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Characters that deceive a reader of source text: those that change the direction of what
 * follows (Unicode Standard Annex 9, "Trojan Source", CVE-2021-42574) and those that show as
 * nothing. Written as escapes they are plain to see and not told of.
 */
#include "diag.h"

enum { MAX_TOLD = 20 };

static const struct {
    uint32_t first, last;
    const char *what;
} hidden[] = {
    {0x00ad, 0x00ad, "a soft hyphen"},
    {0x061c, 0x061c, "a mark of direction"},
    {0x180e, 0x180e, "a character that shows as nothing"},
    {0x200b, 0x200d, "a character that shows as nothing"},
    {0x200e, 0x200f, "a mark of direction"},
    {0x2028, 0x2029, "a line end that many programs do not show"},
    {0x202a, 0x202e, "a character that reorders the text after it"},
    {0x2060, 0x2064, "a character that shows as nothing"},
    {0x2066, 0x2069, "a character that reorders the text after it"},
    {0xfeff, 0xfeff, "a character that shows as nothing"},
    {0xe0000, 0xe007f, "a tag character, which shows as nothing"},
};

/* Decodes valid UTF-8; *len is the bytes taken. */
static uint32_t decode(const uint8_t *p, size_t left, size_t *len)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    uint32_t code = n == 1 ? p[0] : p[0] & (0xffu >> (n + 1));

    *len = n <= left ? n : left;
    for (size_t i = 1; i < *len; i++)
        code = code << 6 | (p[i] & 0x3fu);
    return code;
}

static const char *find_hidden(uint32_t code)
{
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
        if (code >= hidden[i].first && code <= hidden[i].last)
            return hidden[i].what;
    }
    return NULL;
}

void cedar_lint_text(struct cedar_str text, cedar_report_fn *report, void *ctx)
{
    const uint8_t *bytes = (const uint8_t *)text.ptr;
    size_t len;

    for (size_t i = 0, told = 0; i < text.len && i < UINT32_MAX - 4 && told < MAX_TOLD; i += len) {
        uint32_t code = decode(bytes + i, text.len - i, &len);
        const char *what = code >= 0xad ? find_hidden(code) : NULL;
        struct cedar_finding finding = {.severity = CEDAR_WARNING};

        if (what == NULL)
            continue;
        told++;
        cedar_fail(&finding.at, CEDAR_ERR_INVALID, text,
                   (struct cedar_span){(uint32_t)i, (uint32_t)(i + len)},
                   "U+%04X is %s; write it as the escape \\u{%x} if it is meant", code, what, code);
        report(ctx, &finding);
    }
}
