/* What the page of the emulator shows. */
#pragma once

#include "emulator/exchange.h"

/* Writes the accounts with what is in them, the clock, and how the emulator was started. Takes the lock. */
int overview_write(struct emulator *em, struct out *o);
/* The page, made from page.html; a NUL stands at its end. */
extern const char page_html[];
extern const size_t page_html_length;
/* Answers with the page itself. */
void page_write(struct exchange *ex);
