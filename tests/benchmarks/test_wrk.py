import pytest

from benchmarks.wrk import WrkFailedError, parse

QUIET = """\
Running 5s test @ http://127.0.0.1:8101/api/users/42
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     4.97ms    2.40ms   1.33s    78.87%
    Req/Sec     6.59k     2.28k   11.17k    71.00%
  Latency Distribution
     50%  840.00us
     75%    6.21ms
     90%    7.97ms
     99%   13.14ms
  65661 requests in 5.02s, 21.35MB read
Requests/sec:  13079.86
Transfer/sec:      2.13MB
"""

TROUBLED = QUIET.replace(
    "21.35MB read\n",
    "21.35MB read\n  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 50\n",
)


def test_rate_latencies_and_count_are_read_in_seconds() -> None:
    load = parse(QUIET)
    assert load.rate == 13079.86
    assert load.p50 == pytest.approx(0.00084)
    assert load.p99 == pytest.approx(0.01314)
    assert load.longest == pytest.approx(1.33)
    assert load.requests == 65661


def test_no_error_lines_mean_no_errors() -> None:
    assert parse(QUIET).errors == 0


def test_socket_errors_and_bad_statuses_add_up() -> None:
    assert parse(TROUBLED).errors == 60


def test_cpu_is_shared_out_over_the_requests() -> None:
    load = parse(QUIET).with_cpu(0.65661)
    assert load.cpu_per_request == pytest.approx(10e-6)
    assert load.as_json()["cpu_per_request"] == load.cpu_per_request


@pytest.mark.parametrize("output", ["", "unable to connect to 127.0.0.1:1 Connection refused", QUIET[:200]])
def test_anything_else_is_a_failure_that_shows_it(output: str) -> None:
    with pytest.raises(WrkFailedError, match="wrk printed no") as failure:
        parse(output)
    assert (output.strip()[-20:] or "nothing") in str(failure.value)
