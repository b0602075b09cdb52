-- `fahrwerk secrets reseal` writes keys of people anew when the installation's secret has changed.
GRANT UPDATE (sealed) ON kernel.person_key TO fahrwerk_kernel;
