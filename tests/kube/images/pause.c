// Holds a pod's namespaces until it is told to end.
#include <signal.h>
#include <unistd.h>

static void end(int signal_number) { _exit(0); }

int main(void) {
  signal(SIGINT, end);
  signal(SIGTERM, end);
  for (;;) pause();
}
