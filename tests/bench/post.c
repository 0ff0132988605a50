/*
 * What creating costs at the API alone: post URL TOKEN COUNT FILE posts COUNT documents, one after another over one
 * connection, by libcurl; FILE is the body, in which @ is replaced by a number. Prints the median and the whole time in
 * nanoseconds.
 */
#include <curl/curl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define COUNT_MAX 10000

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static size_t drop(char *data, size_t size, size_t count, void *arg)
{
	(void)data, (void)arg;
	return size * count;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static int64_t times[COUNT_MAX];
	static char text[1 << 20], body[1 << 20];
	struct curl_slist *headers = NULL;
	int count = argc == 5 ? atoi(argv[3]) : 0;
	FILE *f = argc == 5 ? fopen(argv[4], "r") : NULL;
	CURL *easy = curl_easy_init();
	char line[512], *at;
	int64_t all;

	if (!f || !easy || count < 1 || count > COUNT_MAX) {
		fputs("usage: post URL TOKEN COUNT FILE\n", stderr);
		return 2;
	}
	text[fread(text, 1, sizeof(text) - 64, f)] = '\0';
	fclose(f);
	at = strchr(text, '@');
	snprintf(line, sizeof(line), "Authorization: Bearer %s", argv[2]);
	headers = curl_slist_append(headers, line);
	headers = curl_slist_append(headers, "Content-Type: application/json");
	curl_easy_setopt(easy, CURLOPT_URL, argv[1]);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop);
	all = now_ns();
	for (int i = 0; i < count; i++) {
		int64_t began = now_ns();
		long status = 0;

		if (at)
			snprintf(body, sizeof(body), "%.*s%d-%d%s", (int)(at - text), text, (int)getpid(), i, at + 1);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, at ? body : text);
		if (curl_easy_perform(easy) != CURLE_OK || curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK ||
		    status / 100 != 2) {
			fprintf(stderr, "post: status %ld\n", status);
			return 1;
		}
		times[i] = now_ns() - began;
	}
	all = now_ns() - all;
	qsort(times, (size_t)count, sizeof(*times), by_value);
	printf("%lld %lld\n", (long long)times[count / 2], (long long)all);
	curl_slist_free_all(headers);
	curl_easy_cleanup(easy);
	return 0;
}
