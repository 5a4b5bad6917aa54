// Snapshots: on a thread of the pool, or at once.
#include "handle.h"

namespace stockpile {
namespace {

struct SnapshotJob {
  Handle* handle = nullptr;
  napi_deferred deferred = nullptr;
  napi_async_work work = nullptr;
  std::string path;
  Failure failure;
  bool done = false;
};

Failure closedFailure() {
  Failure failure;
  failure.code = "CLOSED";
  failure.detail = "the segment is closed";
  return failure;
}

void execute(napi_env, void* data) {
  SnapshotJob& job = *static_cast<SnapshotJob*>(data);
  if (!job.handle->pool.enter()) {
    job.failure = closedFailure();
    return;
  }
  job.done = job.handle->segment->snapshot(job.path, job.failure);
  job.handle->pool.leave();
}

void complete(napi_env env, napi_status, void* data) {
  SnapshotJob* const job = static_cast<SnapshotJob*>(data);
  if (job->done) {
    napi_value nothing = nullptr;
    napi_get_undefined(env, &nothing);
    napi_resolve_deferred(env, job->deferred, nothing);
  } else {
    napi_reject_deferred(env, job->deferred, toJs(env, job->failure));
  }
  napi_delete_async_work(env, job->work);
  job->handle->release();
  delete job;
}

/** Also where the segment is closed: it answers with a promise in any case. */
napi_value snapshot(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value path = nullptr, promise = nullptr, name = nullptr;
  void* data = nullptr;
  if (napi_get_cb_info(env, info, &count, &path, nullptr, &data) != napi_ok) return nullptr;
  SnapshotJob* const job = new SnapshotJob;
  job->handle = static_cast<Handle*>(data);
  job->path = stringOf(env, path);
  if (napi_create_promise(env, &job->deferred, &promise) != napi_ok) {
    delete job;
    return nullptr;
  }
  job->handle->retain();
  if (napi_create_string_utf8(env, "stockpile.snapshot", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_async_work(env, nullptr, name, execute, complete, job, &job->work) != napi_ok ||
      napi_queue_async_work(env, job->work) != napi_ok) {
    job->failure.detail = "the snapshot could not be queued";
    complete(env, napi_generic_failure, job);
  }
  return promise;
}

napi_value snapshotNow(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value path = nullptr;
  void* data = nullptr;
  if (napi_get_cb_info(env, info, &count, &path, nullptr, &data) != napi_ok) return nullptr;
  Segment* const segment = static_cast<Handle*>(data)->segment;
  Failure failure = closedFailure();
  if (segment != nullptr) {
    failure = {};
    if (segment->snapshot(stringOf(env, path), failure)) return nullptr;
  }
  napi_throw(env, toJs(env, failure));
  return nullptr;
}

}  // namespace

const Method kSnapshotMethods[] = {
    {"snapshot", snapshot},
    {"snapshotNow", snapshotNow},
    {nullptr, nullptr},
};

}  // namespace stockpile
