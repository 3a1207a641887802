/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/screen.h"

enum { TEXT, ESCAPE, CSI, PRIVATE };

#define NUMBER_MAX 99999u

static void parameter_ends(struct screen *s)
{
    if (s->number == 47 || s->number == 1047 || s->number == 1049)
        s->match = 1;
    s->number = 0;
}

static void private_byte(struct screen *s, unsigned char c)
{
    if (c >= '0' && c <= '9') {
        if (s->number <= NUMBER_MAX) /* beyond, it is no mode that is known here */
            s->number = s->number * 10 + (c - '0');
    } else if (c == ';') {
        parameter_ends(s);
    } else {
        parameter_ends(s);
        if (s->match && (c == 'h' || c == 'l'))
            s->alternate = c == 'h';
        s->state = TEXT;
    }
}

void screen_feed(struct screen *s, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];

        if (c == 0x1b) {
            s->state = ESCAPE;
            continue;
        }
        switch (s->state) {
        case ESCAPE:
            s->state = c == '[' ? CSI : TEXT;
            if (c == 'c') /* full reset shows the main screen */
                s->alternate = false;
            break;
        case CSI:
            s->state = c == '?' ? PRIVATE : TEXT;
            s->number = s->match = 0;
            break;
        case PRIVATE:
            private_byte(s, c);
            break;
        default:
            break;
        }
    }
}
