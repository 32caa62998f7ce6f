"""The command of an incident: plan, phases and their gates, roles, tasks, decisions; and how ready people are for the next one."""
