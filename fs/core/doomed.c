#include "fs/core/doomed.h"

#include "fs/core/request.h"

void who_of(const struct request *r, struct who *ret)
{
	char path[64];
	FILE *f;

	*ret = (struct who){ .uid = r->ctx.uid, .pid = request_process(r) };
	if (!ret->pid)
		return;
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)ret->pid);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(ret->command, sizeof(ret->command), f))
		ret->command[strcspn(ret->command, "\n")] = '\0';
	fclose(f);
}

struct doomed *doomed_copy(const struct doomed *doomed)
{
	struct doomed *copy = doomed ? malloc(sizeof(*copy)) : NULL;

	if (copy)
		*copy = (struct doomed){ .who = doomed->who, .document = body_ref(doomed->document) };
	return copy;
}

struct doomed *doomed_free(struct doomed *doomed)
{
	if (!doomed)
		return NULL;
	body_unref(doomed->document);
	free(doomed);
	return NULL;
}
