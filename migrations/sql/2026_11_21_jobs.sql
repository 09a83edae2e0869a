-- The job queue is used by the run-time role; its arguments are ids, so it holds nobody's words.
-- A NOTIFY inside the business transaction takes a cluster-wide lock at commit; the worker polls instead.
drop trigger procrastinate_jobs_notify_queue_job_inserted_v1 on jobs.procrastinate_jobs;
drop trigger procrastinate_jobs_notify_queue_job_aborted_v1 on jobs.procrastinate_jobs;
grant usage on schema jobs to chatbot_app;
grant select, insert, update, delete on all tables in schema jobs to chatbot_app;
grant usage on all sequences in schema jobs to chatbot_app;
