/*
 * A name service for tests, to be preloaded: cfcfs-test.invalid is 127.0.0.1 as long as the file $CFCFS_TEST_HOSTS is
 * there, and all other names fail. Nobody is asked over a network.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
	static int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	const char *hosts = getenv("CFCFS_TEST_HOSTS");

	if (!next)
		next = (__typeof__(next))dlsym(RTLD_NEXT, "getaddrinfo");
	if (name && !strcmp(name, "cfcfs-test.invalid"))
		return hosts && access(hosts, F_OK) == 0 ? next("127.0.0.1", service, hints, ret) : EAI_AGAIN;
	return !name || (name[0] >= '0' && name[0] <= '9') ? next(name, service, hints, ret) : EAI_NONAME;
}
