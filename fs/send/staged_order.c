#include "fs/send/staged_order.h"

#include <stdio.h>

#include "fs/core/hash.h"

unsigned staged_wave(const struct staged *row)
{
	unsigned last = kind_rank_max(), rank = kind_rank(row->kind);

	if (row->leaf)
		return last;
	if (rank > last)
		rank = last;
	return staged_goes(row) ? last + 1 + (last - rank) : rank;
}

/* ---- who waits for whom ---- */

#define NOBODY SIZE_MAX

struct seat {
	struct staged *row;
	struct staged_place place;
	size_t after; /* who gives up the name that this one takes; NOBODY */
	size_t link;  /* a place in the chain that is walked */
	bool seen, seated;
};

/* A name that is given up. */
struct freed {
	UT_hash_handle hh;
	char *name; /* owned */
	size_t by;
};

static char *name_of(const struct staged *row, const char *file_name)
{
	return text_new("%s\n%s\n%s", row->kind->name, row->parent_id ? row->parent_id : "", file_name);
}

static void free_names(struct freed *names)
{
	struct freed *freed, *next;

	HASH_ITER(hh, names, freed, next) {
		HASH_DEL(names, freed);
		free(freed->name);
		free(freed);
	}
}

static int collect(const struct seat *seats, size_t count, struct freed **names)
{
	for (size_t i = 0; i < count; i++) {
		struct freed *freed;

		if (!staged_frees_name(seats[i].row))
			continue;
		freed = calloc(1, sizeof(*freed));
		if (freed)
			freed->name = name_of(seats[i].row, seats[i].row->file_name);
		if (!freed || !freed->name) {
			free(freed);
			return -1;
		}
		freed->by = i;
		HASH_ADD_KEYPTR(hh, *names, freed->name, strlen(freed->name), freed);
	}
	return 0;
}

/* A name that the account does not have for the row yet; NULL: it takes none. */
static const char *taken_name(const struct staged *row)
{
	if (row->part || row->leaf || row->remove)
		return NULL;
	return row->new_name ? row->new_name : row->id ? NULL : row->file_name;
}

static int find_waits(struct seat *seats, size_t count, struct freed *names)
{
	for (size_t i = 0; i < count; i++) {
		const char *taken = taken_name(seats[i].row);
		cleanup_free_ char *name = taken ? name_of(seats[i].row, taken) : NULL;
		struct freed *freed = NULL;

		seats[i].after = NOBODY;
		if (taken && !name)
			return -1;
		if (name)
			HASH_FIND_STR(names, name, freed);
		if (freed && freed->by != i)
			seats[i].after = freed->by;
	}
	return 0;
}

/* ---- turns ---- */

/* Who waits for nobody is first; along a chain each is a turn later. A chain may be as long as there are rows. */
static void seat_chain(struct seat *seats, size_t i)
{
	size_t depth = 0;

	for (size_t at = i; at != NOBODY && !seats[at].seated; at = seats[at].after)
		seats[depth++].link = at;
	while (depth) {
		struct seat *seat = &seats[seats[--depth].link], *before = seat->after == NOBODY ? NULL : &seats[seat->after];

		if (before && before->place.wave > seat->place.wave)
			before->place.wave = seat->place.wave;
		seat->place.turn = before ? before->place.turn + 1 : 0;
		seat->seated = true;
	}
}

/* i is one of those that go round: it is parked, the others follow one another, and it comes last. */
static void seat_ring(struct seat *seats, size_t i)
{
	size_t last = seats[i].after;

	seats[i].place.parks = true;
	seats[i].seated = true;
	seats[i].place.turn = 0;
	seat_chain(seats, last);
	seats[i].place.turn = seats[last].place.turn + 1;
}

/* A member of the ring that i's chain leads into and that nobody sat down yet; NOBODY: it ends. */
static size_t find_ring(struct seat *seats, size_t i)
{
	size_t at = i, ring = NOBODY;

	while (at != NOBODY && !seats[at].seen && !seats[at].seated) {
		seats[at].seen = true;
		at = seats[at].after;
	}
	if (at != NOBODY && !seats[at].seated)
		ring = at;
	for (at = i; at != NOBODY && seats[at].seen; at = seats[at].after)
		seats[at].seen = false;
	return ring;
}

static int compare_paths(const struct staged *a, const struct staged *b)
{
	int order = strcmp(a->dir, b->dir);

	return order ? order : strcmp(staged_name(a), staged_name(b));
}

static int by_path(const void *a, const void *b)
{
	return compare_paths(((const struct seat *)a)->row, ((const struct seat *)b)->row);
}

static int by_place(const void *a, const void *b)
{
	const struct seat *x = a, *y = b;

	if (x->place.wave != y->place.wave)
		return x->place.wave < y->place.wave ? -1 : 1;
	if (x->place.turn != y->place.turn)
		return x->place.turn < y->place.turn ? -1 : 1;
	return compare_paths(x->row, y->row);
}

static int seat_all(struct seat *seats, size_t count)
{
	struct freed *names = NULL;
	int r = collect(seats, count, &names);

	if (r == 0)
		r = find_waits(seats, count, names);
	free_names(names);
	for (size_t i = 0; r == 0 && i < count; i++) {
		size_t ring = find_ring(seats, i);

		if (ring != NOBODY)
			seat_ring(seats, ring);
		seat_chain(seats, i);
	}
	return r;
}

struct staged_place *staged_sort(struct staged **rows, size_t count)
{
	cleanup_free_ struct seat *seats = calloc(count + 1, sizeof(*seats));
	struct staged_place *places = calloc(count + 1, sizeof(*places));

	for (size_t i = 0; seats && i < count; i++)
		seats[i] = (struct seat){ .row = rows[i], .place.wave = staged_wave(rows[i]) };
	if (seats)
		qsort(seats, count, sizeof(*seats), by_path);
	if (!seats || !places || seat_all(seats, count) < 0) {
		free(places);
		return NULL;
	}
	qsort(seats, count, sizeof(*seats), by_place);
	for (size_t i = 0; i < count; i++) {
		rows[i] = seats[i].row;
		places[i] = seats[i].place;
	}
	return places;
}
