/* The managed image registry's own API, under /v2/: tags and digests, no layers. */
#pragma once

#include "emulator/exchange.h"

enum {
	OCI_PULL = 1 << 0,
	OCI_PUSH = 1 << 1,
	OCI_LIST = 1 << 2,
};

#define OCI_PASSWORD_SIZE 160
/* A password that says for which account, for what and until when (virtual ms) it is good. */
void oci_password(const struct emulator *em, const char *account, unsigned permissions, int64_t until,
		  char ret[OCI_PASSWORD_SIZE]);
/* Whether a registry's domain means this one. */
bool oci_is_managed(const struct emulator *em, const char *domain);
/* Adds or moves a tag; the digest is that of the content. Needs the lock, and a transaction. */
int oci_put(struct emulator *em, const char *account, const char *repository, const char *tag, const char *content, int64_t now);
/* Answers what is under /v2/. Takes the lock. */
void oci_handle(struct emulator *em, struct exchange *ex);
