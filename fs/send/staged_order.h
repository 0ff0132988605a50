/*
 * The order in which what is staged is sent: waves by the table of kinds, and within a wave turns by names. Who takes a name that
 * another one gives up comes after that one; where they go round (a swap), one of them has another name for the meantime. Pure.
 */
#pragma once

#include "fs/core/stage.h"

struct staged_place {
	unsigned wave; /* staged_wave; of a removal whose name is wanted, that of who wants it */
	unsigned turn; /* within the wave, from 0 on */
	bool parks;    /* before the first turn of its wave it gets another name for the meantime */
};

/* The wave in which a row is sent: from 0 on; what others refer to is first, and what is removed is last, in the reverse order. */
unsigned staged_wave(const struct staged *row);
/* Sorts the rows by wave, turn and path, and says where each came; freed by the caller; NULL without memory. */
struct staged_place *staged_sort(struct staged **rows, size_t count);
/* Whether the second of two neighbours waits until the first is done. */
static inline bool staged_is_later(const struct staged_place *a, const struct staged_place *b)
{
	return a->wave != b->wave || a->turn != b->turn;
}
