/*
 * A process that reads while signals come: signals NAME FILE sends itself the signal every 100 ms (SIGINT
 * every 300 ms) with a handler that does nothing, and opens and reads the file meanwhile. Prints on
 * stderr how many signals came, and the errno's name where the read failed; exit status 0 where it did not.
 * signals many N FILE reads with N threads at once, each a name of its own: @ in FILE is replaced by the
 * thread's number.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t came;

static void count(int number)
{
	(void)number;
	came++;
}

static int number_of(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} rows[] = { { "INT", SIGINT }, { "ALRM", SIGALRM }, { "WINCH", SIGWINCH }, { "URG", SIGURG }, { "USR1", SIGUSR1 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!strcmp(rows[i].name, name))
			return rows[i].number;
	}
	return 0;
}

static void pause_ms(long ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

/* 0, or the errno. */
static int read_all(const char *path)
{
	char data[65536];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno;
	while ((n = read(fd, data, sizeof(data))) > 0)
		;
	n = n < 0 ? errno : 0;
	close(fd);
	return (int)n;
}

static const char *pattern;

/* Equal names would be one look-up for the kernel. */
static void *reader(void *number)
{
	const char *at = strchr(pattern, '@');
	char path[4096];

	if (at)
		snprintf(path, sizeof(path), "%.*s%ld%s", (int)(at - pattern), pattern, (long)(intptr_t)number, at + 1);
	read_all(at ? path : pattern);
	return NULL;
}

static int many(int threads, const char *path)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pattern = path;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 256 << 10);
	for (int i = 1; i < threads; i++) {
		if (pthread_create(&thread, &attributes, reader, (void *)(intptr_t)i)) {
			fprintf(stderr, "signals: only %d threads\n", i);
			break;
		}
	}
	/* The process itself is one of them: it is there as long as it waits. */
	reader(NULL);
	pthread_exit(NULL);
}

/* The child that sends them. */
static _Noreturn void send_signals(pid_t to, int number)
{
	/* SIGINT too comes again: the first may be there before the read is. */
	for (int i = 0; i < 600 && getppid() == to; i++) {
		pause_ms(number == SIGINT ? 300 : 100);
		kill(to, number);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = count };
	pid_t self = getpid(), sender;
	int number, result;

	if (argc == 4 && !strcmp(argv[1], "many"))
		return many(atoi(argv[2]), argv[3]);
	number = argc == 3 ? number_of(argv[1]) : 0;
	if (!number) {
		fputs("usage: signals INT|ALRM|WINCH|URG|USR1 FILE | signals many N FILE\n", stderr);
		return 2;
	}
	sigaction(number, &action, NULL);
	sender = fork();
	if (sender == 0)
		send_signals(self, number);
	result = read_all(argv[2]);
	kill(sender, SIGKILL);
	waitpid(sender, NULL, 0);
	fprintf(stderr, "%d signals\n", (int)came);
	if (result)
		fprintf(stderr, "%s\n", strerrorname_np(result));
	return result ? 1 : 0;
}
