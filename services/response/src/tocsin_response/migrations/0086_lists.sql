-- Lists of what is open, across all incidents, and of all questions of an incident; runs by how they stand.
CREATE INDEX incident_task_open ON incident_task ((coalesce(due_at, 'infinity')), id) WHERE state = 'OPEN';
CREATE INDEX obligation_running ON obligation (id) WHERE state = 'RUNNING';
CREATE INDEX question_of_incident ON question (incident_id, id) WHERE incident_id IS NOT NULL;
CREATE INDEX swap_open ON swap (id) WHERE state = 'OPEN';
CREATE INDEX run_in_state ON run (state, playbook, id);
