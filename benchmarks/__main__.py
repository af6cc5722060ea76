"""`python -m benchmarks`: all measurements, one after the other; about twelve minutes on two cores."""

from benchmarks import audit_memory, decide_only, due_batches, record_sizes, replay_vs_json, worker_vs_faust


def main() -> None:
    """Run them all with their defaults."""
    for benchmark in (decide_only, due_batches, record_sizes, replay_vs_json, audit_memory, worker_vs_faust):
        print(f"\n== {benchmark.__name__.removeprefix('benchmarks.')}", flush=True)
        benchmark.main([])


if __name__ == "__main__":
    main()
