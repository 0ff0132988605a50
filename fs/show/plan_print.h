/* The texts of /.cfcfs/plan and plan.json: pure functions of what a plan's rows are (fs/send/plan.h). The same plan is the same text. */
#pragma once

#include "api/base/buf.h"

struct json_object;

/* What the last line counts. */
struct plan_sum {
	unsigned create, change, remove, rename, actions;
	unsigned calls, waves;
	unsigned outdated, refused, lost;
	int last_wave, last_turn; /* -1 at first: of the row that was added last with a call */
};
#define PLAN_SUM_INIT                                                                                                            \
	{                                                                                                                        \
		.last_wave = -1                                                                                                  \
	}

/* Rows come in the order of the plan. */
void plan_sum_add(struct plan_sum *sum, struct json_object *row);
/* A block: the row's line, and what belongs to it behind, with blanks in front. Nothing for a row of state "nothing". */
int plan_print_row(struct json_object *row, struct buf *out);
/* "Plan: …" and a newline. */
int plan_print_sum(const struct plan_sum *sum, struct buf *out);
/* The same as an object; NULL without memory. */
struct json_object *plan_sum_json(const struct plan_sum *sum);
