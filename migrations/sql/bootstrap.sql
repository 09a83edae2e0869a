-- Run once by a superuser, connected to the service's database, before the first `chatbot migrate`.
-- Makes the three roles and the extension; may be run again. Then give your own log-in roles their part:
--   create role chatbot_migrator login password '…' in role chatbot_owner;   -- CHATBOT_DATABASE_OWNER_URL
--   create role chatbot_web      login password '…' in role chatbot_app;     -- CHATBOT_DATABASE_URL
do $$
begin
  if to_regrole('chatbot_owner') is null then
    create role chatbot_owner nologin nosuperuser nobypassrls;
  end if;
  if to_regrole('chatbot_app') is null then
    create role chatbot_app nologin nosuperuser nobypassrls;
  end if;
  if to_regrole('chatbot_lookup') is null then
    create role chatbot_lookup nologin nosuperuser nobypassrls;
  end if;
  execute format('grant connect, create, temporary on database %I to chatbot_owner', current_database());
  execute format('grant connect on database %I to chatbot_app', current_database());
end
$$;
grant chatbot_lookup to chatbot_owner;
create extension if not exists vector;
grant create, usage on schema public to chatbot_owner;
grant usage on schema public to chatbot_app, chatbot_lookup;
revoke create on schema public from public;
