/* What must never show, for who makes texts out of answers. */
#pragma once

struct credentials;

/* The token or key itself, valid until the next reload. */
const char *credentials_secret(const struct credentials *c);
