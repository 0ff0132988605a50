/*
 * JSON in ASCII. json-c 0.18 takes the bytes of every other character for control characters when it is told to be strict; what
 * they stand for can be written without them.
 */
#ifndef EMULATOR_ASCII_H
#define EMULATOR_ASCII_H

#include <stddef.h>

struct buf;

/* Appends the document to out with each character beyond ASCII as \uXXXX. -EILSEQ where it is not UTF-8, -ENOMEM. */
int ascii_json(const char *text, size_t len, struct buf *out);

#endif
