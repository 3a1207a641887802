/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan.h - what passes the gate is looked into by the detectors of src/detect.
 *
 * What goes out, where a rule looks at what is carried (DUTY_SCAN): the head of a request before it
 * is judged, its body on the way (scan_filter.c), and names before they are looked up. A finding is
 * told to the judge as "LABEL:DETECTOR" in FIELD_CARRIES. Bytes that may be part of one are kept
 * back until its verdict is there.
 *
 * What comes in, where a rule mentions a label that detectors give (DUTY_LABELS): it passes at
 * once, and what is found in it is told to the judge in a NOTE.
 */
#ifndef BELAY_GATE_SCAN_H
#define BELAY_GATE_SCAN_H

#include "detect/detect.h"
#include "http/http.h"
#include "policy/settings.h"

#define SCAN_KINDS    32  /* different findings of one message; more are not told apart */
#define SCAN_KIND_MAX 128 /* bytes of "LABEL:DETECTOR" */
#define SCAN_HEAD_MAX (128u << 10)

/* The detect part of belay.yaml. */
struct scan_settings {
    int64_t entropy, names; /* bits per 100 characters; bytes below one parent domain */
    const struct settings_list *off, *allow;
};

struct scanner;

/* NULL: *e. The settings' strings are copied. */
struct scanner *scanner_new(const struct scan_settings *s, struct err *e);
struct detect *scanner_detect(struct scanner *s);

/* Marks of labelled content, as the judge sends them. False: there are too many. */
bool scanner_marks(struct scanner *s, struct str labels, struct str marks);

/* Kinds of findings, each once. */
struct scan_kinds {
    size_t n;
    char kind[SCAN_KINDS][SCAN_KIND_MAX];
};

/* False: it is there already. */
bool scan_kinds_add(struct scan_kinds *k, const struct detect_finding *f);
/* As a list in frame form. */
void scan_kinds_list(const struct scan_kinds *k, struct buf *list);

/* What the head of a request carries: its target and its fields, but for those by which the client
 * shows who it is. */
void scan_head(struct scanner *s, const struct http_head *head, struct scan_kinds *found);
/* Takes it out: what is masked is made anew in `mem`. */
void scan_head_redact(struct scanner *s, struct arena *mem, struct http_head *head);

/* What a name carries that is about to be looked up. */
void scan_name(struct scanner *s, struct str name, struct scan_kinds *found);

#endif
