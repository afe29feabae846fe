/* Loaded before libfaketime into the processes of a system under torture.
 *
 * librdkafka waits by cnd_timedwait until an instant that it makes from gettimeofday or timespec_get. libfaketime changes the
 * latter two, but not the former, for which the kernel's clock counts: on a clock that is ahead by an hour every wait would
 * last an hour, on one that is behind none would last at all. So these two, which nothing else in the program reads but for
 * the time stamps of Kafka's records, stay the kernel's. */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    return (int)syscall(SYS_gettimeofday, now, zone);
}

int timespec_get(struct timespec *now, int base)
{
    if (base != TIME_UTC || syscall(SYS_clock_gettime, CLOCK_REALTIME, now) != 0)
        return 0;
    return base;
}
